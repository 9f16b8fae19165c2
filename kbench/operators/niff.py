"""Neural implicit frequency filters: a coordinate network gives every filter's spectrum.

Grabinski, Keuper and Keuper, "As large as it gets", TMLR 2024; sections are those of the
operator's specification.

Shapes: B batch, I input channels, O output channels, M maps of the response, S spatial sides.
"""

import math
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.operators.channel_mix import ChannelMix, roll_by_half
from kbench.operators.frequency_response import (
    Coordinates,
    FrequencyResponse,
    ResponseInit,
    half_size,
)
from kbench.operators.geometry import CONVOLUTIONS, Padding, Size
from kbench.operators.niff_options import (
    Boundary,
    Execution,
    Form,
    Strided,
    check_choices,
    check_gain,
    check_stride,
    hidden_widths,
    replaced_geometry,
    resolve_form,
)
from kbench.operators.precision import computing_dtype, without_autocast
from kbench.operators.spectral_filter import crop, filter_spectrum, low_pass_pool, subsample
from kbench.registry import OPERATORS, OPERATORS_1D


class _NIFF(nn.Module):
    """NIFF in `dims` dimensions."""

    dims: ClassVar[int]
    version: ClassVar[int] = 1
    is_translation_equivariant: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size | None,
        stride: Size = 1,
        padding: Padding = "same",
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        form: Form = "auto",
        mlp: str = "auto",
        coords: Coordinates = "reference",
        padding_mode: Boundary = "circular",
        init: ResponseInit = "default",
        init_gain: float = 1.0,
        execution: Execution = "auto",
        strided: Strided = "error",
        ref_channel_roll: bool = False,
    ) -> None:
        super().__init__()
        check_choices(form=form, coords=coords, init=init, execution=execution, strided=strided)
        check_gain(init_gain)
        geometry = replaced_geometry(
            (in_channels, out_channels),
            *(kernel_size, stride, padding, dilation, groups),
            dims=self.dims,
            padding_mode=padding_mode,
        )
        check_stride(geometry, strided)
        has_kernel = kernel_size is not None
        self.form = resolve_form(form, geometry, execution, has_kernel=has_kernel)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride, self.strided = geometry.stride, strided
        self.linear = padding_mode == "zeros"
        self.execution, self.roll = execution, ref_channel_roll
        self.widths = hidden_widths(mlp, self.form)
        self._create(coords, bias=bias)
        if self.response is not None:
            self.response.initialise(init, init_gain)

    @property
    def num_params(self) -> int:
        """Number of parameters: both networks, the 1x1 and the bias."""
        widths = (self.dims, *self.widths, self._num_maps())
        network = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
        networks = 2 * network * (self.form != "pointwise")
        mix = self.in_channels * self.out_channels * (self.form in ("pointwise", "split"))
        return networks + mix + self.out_channels * (self.bias is not None)

    @property
    def conformance_exceptions(self) -> dict[str, str]:
        """What has no effect, by section 2.5."""
        name = f"gradient of response.mlp_imag.bias{len(self.widths)}"
        return {name: "the last bias of the imaginary part has no effect on a real signal"}

    def _create(self, coords: Coordinates, *, bias: bool) -> None:
        """Create the parameters, in the order of section 5.2."""
        shape = (self.in_channels, self.out_channels)
        self.response: FrequencyResponse | None = None
        self.mix: ChannelMix | None = None
        if self.form != "pointwise":
            self.response = FrequencyResponse(self.dims, self.widths, self._num_maps(), coords)
        if self.form in ("pointwise", "split"):
            roll = self.roll and self.form == "split"
            through_fft = self.execution == "fft"
            self.mix = ChannelMix(*shape, self.dims, roll=roll, through_fft=through_fft)
        self.bias = nn.Parameter(torch.zeros(self.out_channels)) if bias else None

    def _num_maps(self) -> int:
        return self.in_channels * (self.out_channels if self.form == "full" else 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S'), or the same without the batch axis."""
        self._check_input(x)
        y = x if x.dim() == self.dims + 2 else x[None]
        if self.response is not None:
            y = self._filter(self.response, y)
        y = self._thin(y)
        if self.mix is not None:
            y = self.mix(y)
        if self.bias is not None:
            y = y + self.bias.to(y.dtype).reshape(-1, *(1,) * self.dims)
        return y if x.dim() == self.dims + 2 else y[0]

    def _check_input(self, x: Tensor) -> None:
        channels = x.shape[-self.dims - 1] if x.dim() in (self.dims + 1, self.dims + 2) else None
        if channels != self.in_channels or 0 in x.shape[-self.dims :]:
            message = (
                f"niff: expected ([batch,] {self.in_channels} channels, {self.dims} non-empty "
                f"spatial axes), got an input of shape {tuple(x.shape)}"
            )
            raise RuntimeError(message)

    def _filter(self, response: FrequencyResponse, x: Tensor) -> Tensor:
        if x.shape[0] == 0:  # transforms refuse empty batches, convolutions do not
            return self._filter(response, x.new_zeros(1, *x.shape[1:]))[:0]
        with without_autocast(x):
            signal = x.to(computing_dtype(x))
            size = self._transform_size(tuple(signal.shape[2:]))
            if self.execution == "full_spectrum":
                y = self._filter_literally(response, signal, size)
            elif self.execution == "basis":
                y = self._filter_by_basis(response, signal, size)
            else:
                filters = self._maps(response.half_spectrum(signal, size))
                y = filter_spectrum(signal, filters, size, dense=self.form == "full")
            return y.to(x.dtype)

    def _transform_size(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sides of the transform: the map's, doubled for a linear convolution."""
        return tuple(2 * side for side in sides) if self.linear else sides

    def _maps(self, values: Tensor) -> Tensor:
        """Turn (M, ...) into (I, ...), or (I, O, ...) for the full form."""
        if self.form == "full":
            values = values.reshape(self.in_channels, self.out_channels, *values.shape[1:])
        return roll_by_half(values, 1 + (self.form == "full")) if self.roll else values

    def _filter_literally(
        self, response: FrequencyResponse, x: Tensor, size: tuple[int, ...]
    ) -> Tensor:
        """Multiply the whole complex spectrum, as section 2.1 defines it."""
        dim = tuple(range(-self.dims, 0))
        filters = torch.fft.ifftshift(self._maps(response.centred_spectrum(x, size)), dim)
        spectrum = torch.fft.fftn(x, size, dim)
        if self.form == "full":
            spectrum = torch.einsum("bi...,io...->bo...", spectrum, filters)
        else:
            spectrum = spectrum * filters
        y = torch.fft.ifftn(spectrum, dim=dim).real
        return crop(y, tuple(x.shape[2:]))

    def _filter_by_basis(
        self, response: FrequencyResponse, x: Tensor, size: tuple[int, ...]
    ) -> Tensor:
        """Filter with the few kernels that span all others, then mix (section 4.2)."""
        basis = response.half_basis(x, size)
        filtered = filter_spectrum(x[:, None], basis[:, None], size, dense=False)
        signals = torch.cat((x[:, None], filtered), 1).flatten(1, 2)  # (B, (2h + 1) I, *S)
        (real, offset), (imag, dead) = (
            network.layers(x.dtype)[-1] for network in (response.mlp_real, response.mlp_imag)
        )
        # Wrappers for several processes wait for a gradient of every parameter.
        offset = torch.add(offset, dead, alpha=0)
        weight = self._maps(torch.cat((offset[:, None], real, imag), 1))  # (I, O, 2h + 1)
        weight = weight.permute(1, 2, 0).reshape(self.out_channels, -1, *(1,) * self.dims)
        return CONVOLUTIONS[self.dims](signals, weight)

    def _thin(self, y: Tensor) -> Tensor:
        if self.strided == "subsample" or all(s == 1 for s in self.stride):
            return subsample(y, self.stride)
        if y.shape[0] == 0:  # as in `_filter`
            return self._thin(y.new_zeros(1, *y.shape[1:]))[:0]
        with without_autocast(y):
            return low_pass_pool(y.to(computing_dtype(y)), self.dims).to(y.dtype)

    def spectrum(self, size: Size) -> Tensor:
        """Return the filters' spectra on a centred grid, before real parts are taken.

        Args:
            size: Sides of the map; the linear boundary has a grid of twice these.

        Returns:
            Complex (I, *S), or (I, O, *S) for the full form; the zero frequency at S // 2.

        Raises:
            UnsupportedError: For the pointwise form.
        """
        response = self._response()
        like = response.mlp_real.get_parameter("weight0").detach()
        sides = self._transform_size(self._sides(size))
        return self._maps(response.centred_spectrum(like.to(computing_dtype(like)), sides))

    def effective_kernel(self, size: Size | None = None) -> Tensor:
        """Return the kernel of the circular convolution that is applied to maps of `size`.

        Args:
            size: Sides of the map; only the pointwise form does without.

        Returns:
            (O, I/G, *S), offset 0 at index 0, negative offsets at the end; of twice the sides for
            the linear boundary. The pointwise form has one tap.
        """
        if self.form == "pointwise" and self.mix is not None:
            return self.mix.matrix().reshape(self.out_channels, -1, *(1,) * self.dims)
        if size is None:
            message = "niff: size (=None) must be given, the kernel is as large as the map"
            raise ValueError(message)
        dim = tuple(range(-self.dims, 0))
        kernels = torch.fft.ifftn(torch.fft.ifftshift(self.spectrum(size), dim), dim=dim).real
        if self.form == "full":
            return kernels.transpose(0, 1)
        if self.mix is None:
            return kernels[:, None]
        return torch.einsum("oi,i...->oi...", self.mix.matrix().to(kernels.dtype), kernels)

    def centred_kernels(self, size: Size) -> Tensor:
        """Return the kernels before channels are mixed, as section 9 analyses them.

        Args:
            size: Sides of the map.

        Returns:
            (M, *S), offset 0 at S // 2; of twice the sides for the linear boundary.

        Raises:
            UnsupportedError: For the pointwise form.
        """
        dim = tuple(range(-self.dims, 0))
        kernels = torch.fft.ifftn(torch.fft.ifftshift(self.spectrum(size), dim), dim=dim).real
        return torch.fft.fftshift(kernels, dim).flatten(0, -self.dims - 1)

    @property
    def rank_bound(self) -> int:
        """Most dimensions that the kernels of `centred_kernels` span: 2 h + 1 (section 2.5)."""
        return 2 * self.widths[-1] + 1

    def macs(self, size: Size) -> int:
        """Return the multiply-accumulates for one map of `size` in a batch of one (section 4.3)."""
        sides = self._sides(size)
        return self._macs_per_map(sides) + self.macs_per_batch(sides)

    def macs_per_batch(self, size: Size) -> int:
        """Return the part of `macs` that a batch needs once: the coordinate networks."""
        if self.response is None:
            return 0
        bins = math.prod(half_size(self._transform_size(self._sides(size))))
        widths = (self.dims, *self.widths)
        hidden = sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
        return 4 * bins * hidden + 2 * bins * widths[-1] * self._num_maps()

    def _macs_per_map(self, sides: tuple[int, ...]) -> int:
        size = self._transform_size(sides)
        points = math.prod(size)
        transforms = self.in_channels + (
            self.in_channels if self.form in ("depthwise", "split") else self.out_channels
        )
        total = 0.0
        if self.response is not None:
            total += 4 * math.prod(half_size(size)) * self._num_maps()
        if self.response is not None or self.execution == "fft":
            total += transforms * 1.25 * points * math.log2(points)
        if self.mix is not None:
            total += math.prod(sides) * self.mix.weight.numel()
        return round(total)

    def _response(self) -> FrequencyResponse:
        if self.response is None:
            message = "niff: form 'pointwise' has no spectrum, it is a 1x1 convolution"
            raise UnsupportedError(message)
        return self.response

    def _sides(self, size: Size) -> tuple[int, ...]:
        sides = (size,) * self.dims if isinstance(size, int) else tuple(size)
        if len(sides) != self.dims or any(side < 1 for side in sides):
            message = f"size (={size!r}) must be an integer >= 1, or {self.dims} of them"
            raise ValueError(message)
        return sides

    def extra_repr(self) -> str:
        """Return what the printed module says beside its parts."""
        boundary = "zeros" if self.linear else "circular"
        channels = f"{self.in_channels}, {self.out_channels}"
        return f"{channels}, form={self.form}, mlp={self.widths}, padding_mode={boundary}"


@OPERATORS_1D.register("niff")
class NIFF1d(_NIFF):
    """1-D form of `NIFF2d`: our extension, not in the paper and no result of it."""

    dims = 1


@OPERATORS.register("niff")
class NIFF2d(_NIFF):
    r"""Convolution as large as its input, with spectra from two coordinate networks.

    A map of spectrum X becomes :math:`\mathrm{Re}\,F^{-1}(K X)` with
    :math:`K = \Phi_{re}(u, v) + i\,\Phi_{im}(u, v)`, where (u, v) is the frequency in cycles per
    map (sections 2.1, 2.2). Parameters do not depend on the size of the map, and any size may
    follow any other. The filter is a true convolution, not a correlation.

    Only the part of K that acts on real maps is computed, on half of the spectrum and with the
    last layers folded (section 4.1). Transforms and networks run in single precision at least,
    whatever autocast says; the output has the input's type.

    Different from the official code: axes are not rolled over batch and channels, non-square maps
    work, and a dense 1x1 is executed as a convolution.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Size of the replaced kernel; it does not change the filter. A dense layer
            with one tap becomes `pointwise` whatever `form` says, as in all networks of section 5.
            None stands for a kernel of no particular size.
        stride: 1, or what `strided` allows.
        padding: `'same'`, or the pixels that keep the size.
        dilation: 1.
        groups: 1, or I = O.
        bias: Whether a learnable vector of length O, at first zero, is added to the output (not in
            the paper).
        form: `depthwise` filters each channel; `split` does and then mixes channels by a 1x1;
            `full` has a filter per pair of channels; `pointwise` is a 1x1 alone. `auto` is
            `depthwise` for G = I = O and `split` otherwise.
        mlp: Hidden widths of both networks: `small` (8-4), `big` (16-128-32), `tiny` (8) or numbers
            written like these; `auto` is `tiny` for the full form and `small` otherwise. Has no
            meaning for `pointwise`.
        coords: Coordinates of odd sizes: `reference` on half-integers as the official code,
            `centred` (or `centered`) on integers; equal for even sizes.
        padding_mode: `circular` is the paper's boundary; `zeros` pads to twice the sides, which is
            linear convolution. Weights of the two are not interchangeable.
        init: Initialiser of the networks' weights (section 2.6); the 1x1 keeps its own.
        init_gain: Factor on the last layers after initialisation, > 0.
        execution: `auto` and `half` use the half spectrum, `full_spectrum` the whole complex one,
            `basis` the kernels that span those of the full form. For `pointwise`, `fft` takes the
            official way through the spectrum and all others mean a convolution.
        strided: What a stride other than 1 means: `error`, `subsample` the output of stride 1, or
            halve it by frequency low-pass pooling, `flc`.
        ref_channel_roll: Reproduce that the official code rolls channels by half (section 10).

    Shape:
        - input: (B, I, H, W) or (I, H, W), floating point
        - output: (B, O, H', W'), the input's sides over the stride, rounded up

    Raises:
        ValueError: If an argument is out of range or has no NIFF (`UnsupportedError`).

    Example:
        >>> niff = NIFF2d(8, 16, kernel_size=3, padding=1)
        >>> niff(torch.zeros(2, 8, 14, 11)).shape
        torch.Size([2, 16, 14, 11])
    """

    dims = 2
