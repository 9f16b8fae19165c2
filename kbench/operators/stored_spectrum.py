"""Convolution with a stored frequency response: what NIFF's networks replace by functions.

NIFF, section 8 of its specification, times it beside spatial convolution and NIFF.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, H and W the sides of
the map, W' = W // 2 + 1 the columns of its half spectrum.
"""

from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.operators.geometry import PLAIN_MODULES, Padding, Size
from kbench.operators.niff_options import check_stride, replaced_geometry
from kbench.operators.precision import computing_dtype, without_autocast
from kbench.operators.spectral_filter import filter_spectrum, make_hermitian, subsample
from kbench.registry import OPERATORS

Strided = Literal["error", "subsample"]


@OPERATORS.register("stored_spectrum")
class StoredSpectrum2d(nn.Module):
    r"""2-D circular convolution whose parameter is its spectrum, as large as that of its input.

    A map of spectrum X becomes :math:`F^{-1}(K X)`, where K is stored on the half spectrum of the
    map. The first forward pass fixes the map's size for good. Until then the spectrum is that of
    the initial kernel on its own K x K grid; it is then resampled exactly, by zeros around the
    kernel or, where the map is smaller, by its periodic sum. Averages of weights and wrappers for
    several processes have to be made afterwards.

    The initial spectrum is that of `torch.nn.Conv2d`'s default kernel, drawn from the same random
    numbers; so is the bias. Training changes all frequencies: the kernel becomes as large as the
    map. Where the half spectrum holds a frequency twice, the mean of the two acts.

    Transforms run in single precision at least, whatever autocast says.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the initial kernel, or (height, width).
        stride: 1, or what `strided` allows.
        padding: `'same'`, or the pixels that keep the size.
        dilation: 1.
        groups: 1 for a filter per pair of channels, or I = O for one per channel.
        bias: Whether a learnable vector of length O is added to the output.
        strided: What a stride other than 1 means: `error`, or `subsample` the output of stride 1.
        padding_mode: `circular`.

    Shape:
        - input: (B, I, H, W) or (I, H, W), floating point
        - output: (B, O, H', W'), the input's sides over the stride, rounded up

    Raises:
        ValueError: If an argument is out of range or has no such form (`UnsupportedError`).

    Example:
        >>> module = StoredSpectrum2d(8, 16, kernel_size=3, padding=1)
        >>> module(torch.zeros(2, 8, 14, 11)).shape
        torch.Size([2, 16, 14, 11])
    """

    dims: ClassVar[int] = 2
    version: ClassVar[int] = 1
    is_translation_equivariant: ClassVar[bool] = True
    fixes_map_size: ClassVar[bool] = True
    fixed_sides: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = "same",
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        strided: Strided = "error",
        padding_mode: str = "circular",
    ) -> None:
        super().__init__()
        if strided not in get_args(Strided):
            message = f"strided (={strided!r}) must be one of {list(get_args(Strided))}"
            raise ValueError(message)
        self.geometry = replaced_geometry(
            (in_channels, out_channels),
            *(kernel_size, stride, padding, dilation, groups),
            dims=2,
            padding_mode=padding_mode,
            operator="stored_spectrum",
        )
        if padding_mode != "circular":
            message = f"stored_spectrum: padding_mode (={padding_mode!r}) must be 'circular'"
            raise UnsupportedError(message)
        check_stride(self.geometry, strided, "stored_spectrum")
        sides = self.geometry.kernel_size
        plain = PLAIN_MODULES[2](in_channels, out_channels, sides, groups=groups, bias=bias)
        kernel = plain.weight.detach().flip(-2, -1)
        kernel = kernel.roll([-(side // 2) for side in sides], (-2, -1))
        # With six axes: a change of the memory format would reorder four and refuse five.
        self.weight = nn.Parameter(self._transform(kernel))  # (G, I/G, O/G, H, W', 2)
        self.bias = plain.bias
        self.sides: tuple[int, ...] | None = None
        self.register_buffer("fixed_sides", torch.zeros(2, dtype=torch.int32))

    @property
    def num_params(self) -> int:
        """Number of parameters: 2 O I/G H W' and the bias; of the kernel's size until it is known.

        Those that no real kernel needs are counted too.
        """
        height, width = self.sides or self.geometry.kernel_size
        filters = self.geometry.out_channels * self.geometry.in_channels // self.geometry.groups
        bins = height * (width // 2 + 1)
        return 2 * filters * bins + self.geometry.out_channels * (self.bias is not None)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, H, W) to (B, O, H', W'), or the same without the batch axis."""
        self._check_input(x)
        batch = x if x.dim() == 4 else x[None]
        y = subsample(self._filter(batch), self.geometry.stride)
        if self.bias is not None:
            y = y + self.bias.to(y.dtype).reshape(-1, 1, 1)
        return y if x.dim() == 4 else y[0]

    def _check_input(self, x: Tensor) -> None:
        channels = self.geometry.in_channels
        if x.dim() not in (3, 4) or x.shape[-3] != channels or 0 in x.shape[-2:]:
            message = (
                f"stored_spectrum: expected ([batch,] {channels} channels, 2 non-empty spatial "
                f"axes), got an input of shape {tuple(x.shape)}"
            )
            raise RuntimeError(message)
        sides = tuple(x.shape[-2:])
        if self.sides is None:
            self._fix(sides)
        if self.sides != sides:
            message = (
                f"stored_spectrum: the spectrum is that of maps of {self.sides} "
                f"since the first one, got {sides}"
            )
            raise RuntimeError(message)

    def _filter(self, x: Tensor) -> Tensor:
        if x.shape[0] == 0:  # transforms refuse empty batches, convolutions do not
            return self._filter(x.new_zeros(1, *x.shape[1:]))[:0]
        sides = tuple(x.shape[2:])
        is_dense = self.geometry.groups == 1
        with without_autocast(x):
            signal = x.to(computing_dtype(x))
            response = self._response(signal.dtype)
            response = response[0] if is_dense else response[:, 0, 0]
            y = filter_spectrum(signal, response, sides, dense=is_dense, is_hermitian=False)
            return y.to(x.dtype)

    def _response(self, dtype: torch.dtype) -> Tensor:
        """Return the stored half spectrum, (G, I/G, O/G, H, W')."""
        return torch.view_as_complex(self.weight.to(dtype))

    def _transform(self, kernel: Tensor) -> Tensor:
        """Return the weight for a kernel (O, I/G, H, W) with offset 0 at index 0."""
        spectrum = torch.fft.rfft2(kernel.to(computing_dtype(kernel)))
        spectrum = spectrum.unflatten(0, (self.geometry.groups, -1)).transpose(1, 2)
        return torch.view_as_real(spectrum).contiguous().to(kernel.dtype)

    @torch.compiler.disable  # type: ignore[untyped-decorator] # torch does not annotate it
    def _fix(self, sides: tuple[int, ...]) -> None:
        """Resample the spectrum for maps of these sides; the parameter stays the same object."""
        with torch.inference_mode(mode=False), torch.no_grad():
            weight = self._transform(self.effective_kernel(sides))
            self.weight.data = weight.to(self.weight.dtype)
            self._note(sides)

    def _note(self, sides: tuple[int, ...]) -> None:
        self.sides = sides
        for axis, side in enumerate(sides):
            self.fixed_sides[axis].fill_(side)

    def effective_kernel(self, size: Size | None = None) -> Tensor:
        """Return the kernel of the circular convolution that is applied to maps of `size`.

        Args:
            size: Sides of the map; may be left out after the first forward pass.

        Returns:
            (O, I/G, H, W), offset 0 at index 0, negative offsets at the end.

        Raises:
            ValueError: If no size is known.
            UnsupportedError: If the first forward pass has fixed another size.
        """
        given = (size,) * 2 if isinstance(size, int) else size
        sides = self.sides if given is None else tuple(given)
        if sides is None:
            message = "stored_spectrum: size (=None) must be given before the first forward"
            raise ValueError(message)
        if self.sides not in (None, sides):
            message = f"stored_spectrum: size (={size!r}) must be {self.sides}, that of the maps"
            raise UnsupportedError(message)
        grid = self.sides or self.geometry.kernel_size
        response = make_hermitian(self._response(computing_dtype(self.weight)).clone(), grid)
        kernel = torch.fft.irfft2(response, grid).transpose(1, 2).flatten(0, 1)
        return kernel if grid == sides else _resample(_resample(kernel, -2, sides), -1, sides)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        *arguments: Any,  # noqa: ANN401 - torch's own
    ) -> None:
        """Take the size from the state, where the module has none yet."""
        given = state_dict.get(f"{prefix}fixed_sides")
        if self.sides is None and given is not None and not given.is_meta:
            sides = tuple(given.tolist())
            if len(sides) == 2 and min(sides) > 0:
                self._fix(sides)
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        if self.sides is not None:
            self._note(self.sides)

    def extra_repr(self) -> str:
        """Return what the printed module says."""
        geometry = self.geometry
        channels = f"{geometry.in_channels}, {geometry.out_channels}"
        return f"{channels}, groups={geometry.groups}, sides={self.sides}"


def _resample(kernel: Tensor, axis: int, sides: tuple[int, ...]) -> Tensor:
    """Return a kernel with offset 0 at index 0 for maps of other sides, along one axis."""
    taps, side = kernel.shape[axis], sides[axis]
    centred = kernel.movedim(axis, -1).roll(taps // 2, -1)
    periods = F.pad(centred, (0, -taps % side)).reshape(*centred.shape[:-1], -1, side)
    return periods.sum(-2).roll(-(taps // 2), -1).movedim(-1, axis)
