"""CKConv: convolution whose kernel is a function of the coordinate.

A small network, the generator, gives the value of every tap from the tap's position in [-1, 1].

Shapes: B batch, I input channels, O output channels, G groups, S sides, D axes, K kernel side, T
evaluated taps of an axis, P of all axes, R basis functions: the generator's features and 1.
"""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.operators.flexconv_cache import EvalCache, Tensors
from kbench.operators.flexconv_mask import tap_positions
from kbench.operators.flexconv_options import (
    CKConvOptions,
    build_generator,
    checked_kernel_size,
)
from kbench.operators.geometry import Geometry, Padding, Size
from kbench.operators.kernel_generators import widen
from kbench.operators.options import takes
from kbench.operators.sampled_kernel import SampledKernel
from kbench.operators.window_convolution import (
    Windows,
    convolve_window,
    convolve_window_spectral,
    window_geometry,
    without_autocast,
)
from kbench.registry import OPERATORS, OPERATORS_1D

Groups = dict[str, tuple[list[nn.Parameter], float, float | None]]


@takes(CKConvOptions)
class GeneratedConv(SampledKernel):
    """A convolution with a generated kernel, for 1 and 2 axes.

    Attributes:
        options_type: Dataclass whose fields are the keyword-only options.
    """

    version: ClassVar[int] = 1
    is_translation_equivariant: ClassVar[bool] = True
    options_type: ClassVar[type[CKConvOptions]] = CKConvOptions

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size | str = "same",
        stride: Size = 1,
        padding: Padding | None = None,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        **options: Any,  # noqa: ANN401 - the fields of `options_type`
    ) -> None:
        super().__init__()
        self.options = self.options_type(**options)
        if not isinstance(bias, bool):
            message = f"bias (={bias!r}) must be true or false"
            raise TypeError(message)
        self.is_causal = self.dims == 1 if self.options.causal is None else self.options.causal
        self.keeps_size = padding is None or padding == "same"
        self.geometry = Geometry.of(
            in_channels,
            out_channels,
            1,
            stride,
            0 if padding is None or padding == "same" else padding,
            dilation,
            groups,
            dims=self.dims,
            padding_mode=self.options.padding_mode,
        )
        self.check_causal()
        self.kernel_size = checked_kernel_size(kernel_size, self.dims)
        self.kernel_scale = self.options.kernel_scale
        outputs = out_channels * (in_channels // groups)
        self.generator = build_generator(self.options, self.dims, outputs, self.center_scales())
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.add_mask()
        self.register_buffer("train_length", torch.zeros(1, dtype=torch.int32))
        self.register_load_state_dict_post_hook(_keep_size)  # type: ignore[no-untyped-call] # torch
        self._cache = EvalCache()
        self.size: int | None = None
        if isinstance(self.kernel_size, int):
            self.set_size(self.kernel_size)

    def add_mask(self) -> None:
        """Create the mask; there is none here."""

    def center_scales(self) -> list[float]:
        """Return the default half range of the generator's initial centres, an axis each."""
        return [1.0] * self.dims

    def crop_bounds(self) -> Windows:
        """Return the kept taps [first, last) of every axis."""
        return ((0, self.known_size()),) * self.dims

    def evaluated_windows(self, bounds: Windows) -> Windows:
        """Return the windows on which the generator is evaluated: at least the kept taps."""
        return bounds

    def mask(self, positions: list[Tensor], bounds: Windows) -> Tensor | None:
        """Return the mask (P) at the evaluated taps; None is 1 everywhere."""
        del positions, bounds
        return None

    def _factors(self, bounds: Windows) -> Tensors:
        """Return mix (O, I/G, R) and basis (R, *T); the kernel is their product over R.

        The bias of the last layer is one more column of the mix, and the mask multiplies the
        basis instead of the kernel: the same result, without a second pass over O * I/G * P values.
        """
        out, size = self.generator.out, self.known_size()
        with without_autocast(out.weight.device):
            windows = self.evaluated_windows(bounds)
            positions = [tap_positions(window, size, out.weight) for window in windows]
            basis = F.pad(self.generator.features(positions), (0, 0, 0, 1), value=1.0)  # (R, P)
            mask = self.mask(positions, bounds)
            basis = basis if mask is None else basis * mask
            mix = torch.cat((out.matrix(), widen(out.bias)[:, None]), dim=1)
            mix = mix if self.kernel_scale == 1 else mix * self.kernel_scale
        channels = (self.geometry.out_channels, -1)
        sides = [len(p) for p in positions]
        return mix.view(*channels, mix.shape[1]), basis.view(len(basis), *sides)

    def _sample(self, bounds: Windows) -> Tensors:
        """Return the kernel (O, I/G, *T) on the evaluated windows."""
        mix, basis = self._factors(bounds)
        with without_autocast(mix.device):
            return (torch.tensordot(mix, basis, dims=1).to(self.generator.out.weight.dtype),)

    def kernel(self) -> Tensor:
        """Return the cropped, masked kernel (O, I/G, *T)."""
        bounds = self.crop_bounds()
        (kernel,) = self._sample(bounds)
        for axis, ((first, last), (start, _)) in enumerate(
            zip(bounds, self.evaluated_windows(bounds), strict=True), start=2
        ):
            kernel = kernel.narrow(axis, first - start, last - first)
        return kernel

    def full_kernel(self) -> Tensor:
        """Return the kernel (O, I/G, *K), zero outside the window."""
        size = self.known_size()
        margins = [m for first, last in reversed(self.crop_bounds()) for m in (first, size - last)]
        return F.pad(self.kernel(), margins)

    def effective_kernel(self, size: Sequence[int] | None = None) -> Tensor:
        """Return `full_kernel()`, for inputs of `size` if none was seen yet."""
        if self.size is not None or size is None:
            return self.full_kernel()
        probe = copy.copy(self)
        probe.size = self.size_for(max(size))
        return probe.full_kernel()

    def fold(self) -> nn.Module:
        """Return an equal plain convolution, with the cropped kernel where the padding allows."""
        cropped = window_geometry(self.geometry, self.crop_bounds())
        is_padded = min(min(pair) for pair in cropped.padding) >= 0
        if is_padded and cropped.padding_mode == "zeros":
            return cropped.plain(self.kernel(), self.bias)
        return self.geometry.plain(self.full_kernel(), self.bias)

    def regularisation(self) -> Tensor:
        """Return the weighted sum of the 2-norms of kernel and bias (FlexConv, appendix D)."""
        if not self.options.kernel_norm:
            return widen(self.generator.out.bias).new_zeros(())
        norm = torch.linalg.vector_norm(widen(self.kernel()))
        if self.bias is not None:
            norm = norm + torch.linalg.vector_norm(widen(self.bias))
        return self.options.kernel_norm * norm

    def quantities(self) -> dict[str, tuple[float, ...]]:
        """Return the kept taps of every axis."""
        return {"kernel_size": tuple(last - first for first, last in self.crop_bounds())}

    def parameter_groups(self) -> Groups:
        """Return what the optimiser treats apart: a learned `omega_0`."""
        factors = self.generator.learned_factors()
        return {"omega_0": (factors, self.options.omega_0_lr_scale, None)} if factors else {}

    def train(self, mode: bool = True) -> "GeneratedConv":
        """Set the mode, and forget the kernel of the last evaluation."""
        self._cache = EvalCache()
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S'), or both without B."""
        if x.dim() == self.dims + 1:
            return self(x[None])[0]
        if self.size is None:
            self.set_size(self.size_for(max(x.shape[2:])))
        bounds = self.crop_bounds()
        windows = self.evaluated_windows(bounds)
        dropout = self.options.kernel_dropout if self.training else 0.0
        is_spectral = self._is_spectral(windows)
        compute = self._factors if is_spectral and not dropout else self._sample
        key = (compute.__name__, bounds, self.size, self.kernel_scale)
        kernel = self._cache.get(self, key, lambda: compute(bounds))
        if dropout:
            kernel = (F.dropout(kernel[0], dropout),)
        if is_spectral:
            return convolve_window_spectral(self.geometry, windows, x, kernel, self.bias)
        return convolve_window(self.geometry, windows, x, kernel[0], self.bias)

    def _is_spectral(self, windows: Windows) -> bool:
        options = self.options
        if options.execution == "auto":
            return self.dims == 1 and windows[0][1] - windows[0][0] > options.fft_threshold
        return options.execution == "fft"

    def extra_repr(self) -> str:
        """Return channels, kernel size and generator."""
        geometry = self.geometry
        return (
            f"{geometry.in_channels}, {geometry.out_channels}, kernel_size={self.kernel_size!r}, "
            f"generator={self.options.generator!r}"
        )


@OPERATORS_1D.register("ckconv")
class CKConv1d(GeneratedConv):
    """1-D form of `CKConv2d`, causal unless `causal` is false; K may be even for `same`."""

    dims = 1


@OPERATORS.register("ckconv")
class CKConv2d(GeneratedConv):
    r"""2-D convolution whose kernel a small network generates from coordinates.

    The kernel is :math:`K_{oi}(p) = s \, \psi_{oi}(p)`: :math:`\psi` is the generator, evaluated on
    K x K points of [-1, 1]^2, s the `kernel_scale`. The layer equals the plain convolution with
    that kernel (CKConv, arXiv 2102.02611; FlexConv, section 3). The official code takes no stride,
    dilation, groups or even input sides with `same`.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: K, odd and at least 3; `same`: the longer side of the first input, one more if
            even; `full`: twice that side minus 1.
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `valid`, or `same` (None) for dilation * (K - 1) / 2 at
            any stride.
        dilation: Distance between kernel taps, in input pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O, initially zero, is added to the output.
        options: Fields of `CKConvOptions`, keyword-only.

    Shape:
        - input: (B, I, H, W) or (I, H, W), floating point
        - output: (B, O, H', W') or (O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        TypeError: If an option is unknown, or a switch is not a bool.
        ValueError: If an argument or option is out of range.
        UnsupportedError: If the sides of the kernel differ or are not odd and >= 3, or the layer
            cannot be causal.

    Example:
        >>> CKConv2d(3, 8, 33)(torch.zeros(2, 3, 16, 20)).shape
        torch.Size([2, 8, 16, 20])
    """

    dims = 2


def _keep_size(layer: nn.Module, _keys: object) -> None:
    """Keep the grid of a layer that has one; a layer that has none takes the stored one."""
    if not isinstance(layer, GeneratedConv):
        return
    if layer.size is None and not layer.train_length.is_meta and int(layer.train_length):
        layer.set_size(int(layer.train_length))
    elif layer.size is not None:
        layer.set_size(layer.size)
