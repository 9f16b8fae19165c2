"""Controls of GMConv: the mask at initialisation only, and circular kernels.

`conv_maskinit` shares the first function of `gmconv` and is trained as a plain convolution.
`circular` is the comparator of the same laboratory, He et al., "Integrating Large Circular Kernels
into CNNs through Neural Architecture Search", arXiv 2107.02451, written from its formulas.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, k the side of a
square kernel.
"""

import math
from collections.abc import Callable
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.operators.gaussian_mask import GaussianMask
from kbench.operators.geometry import Geometry, Padding, Size
from kbench.operators.gmconv_options import check_choice
from kbench.operators.precision import computing_dtype, without_autocast
from kbench.registry import OPERATORS, OPERATORS_1D

Mode = Literal["resample", "cut"]
Angles = Literal["grid", "uniform"]

# Angles of `uniform` by (|u|, |v|), |u| < |v|; the transposed taps have the complement.
UNIFORM_ANGLES = {(1, 2): math.pi / 8, (1, 3): math.pi / 12, (2, 3): math.pi / 6}


class _MaskInitConv(nn.Module):
    """Convolution of any number of axes with a masked start."""

    version: ClassVar[int] = 1
    dims: ClassVar[int]
    is_translation_equivariant: ClassVar[bool] = True
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        sigma_init: float = 5.0,
        coord: Literal["pixel", "unit"] = "pixel",
        normalise: Literal["none", "density", "sum", "peak"] = "none",
        eps: float = 1e-6,
        init_gain: Literal["none", "var"] = "none",
        padding_mode: str = "zeros",
    ) -> None:
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        geometry = Geometry.of(*sizes, dims=self.dims, padding_mode=padding_mode)
        mask = GaussianMask.of("conv_maskinit", geometry.kernel_size, coord, normalise, eps)
        gain = mask.gain("conv_maskinit", sigma_init, init_gain)
        super().__init__(*sizes, bias, padding_mode)
        self.geometry, self.mask, self.gain, self.sigma_init = geometry, mask, gain, sigma_init

    @staticmethod
    @torch.no_grad()
    def after_init(modules: list["_MaskInitConv"]) -> None:
        """Multiply the final initial weights by the gain and the mask at `sigma_init`, once."""
        for module in modules:
            weight = module.weight
            ones = (1,) * module.dims
            sigma = weight.new_full(ones, module.sigma_init, dtype=computing_dtype(weight))
            weight.mul_(module.gain)
            weight.copy_(weight * module.mask(module.mask.exponents_for(weight), sigma))

    def effective_kernel(self, size: tuple[int, ...] | None = None) -> Tensor:  # noqa: ARG002 - the same at every size
        """Return the weight, (O, I/G, *K)."""
        return self.weight

    def fold(self) -> nn.Module:
        """Return an equal plain convolution."""
        return self.geometry.plain(self.weight, self.bias)


@OPERATORS_1D.register("conv_maskinit")
class MaskInitConv1d(_MaskInitConv, nn.Conv1d):
    """1-D form of `MaskInitConv2d`."""

    dims = 1


@OPERATORS.register("conv_maskinit")
class MaskInitConv2d(_MaskInitConv, nn.Conv2d):
    """Plain 2-D convolution that starts where `gmconv` with the same `sigma_init` starts.

    Once the network is built and initialised, the weight is multiplied by the Gaussian mask, and
    never again: what `gmconv` has beyond it is due to training under the mask.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, or (height, width), odd or even.
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps, in input pixels; the mask counts taps, not pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O is added to the output.
        sigma_init: Sigma of the mask, in units of `coord`, in (0, 1e6].
        coord: Unit of sigma: `pixel` is one tap, `unit` the distance from centre to corner.
        normalise: As for `gmconv`.
        eps: Added to 2 sigma^2, >= 0.
        init_gain: `var` also multiplies by 1 / sqrt(mean of the squared mask).
        padding_mode: As for `torch.nn.Conv2d`.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: As `torch.nn.Conv2d`, or if an option is out of range.
    """

    dims = 2


@OPERATORS.register("circular")
class CircularConv2d(nn.Conv2d):
    r"""2-D convolution whose taps lie on circles instead of on the corners of squares.

    `resample`: the weights belong to points on circles of integer radius, and the effective kernel
    spreads each onto the grid bilinearly: :math:`W T` with a fixed k^2 x k^2 matrix T. Rows of T
    sum to 1, so like `gmconv` it has the plain convolution's functions. `cut`: the taps outside of
    the inscribed ellipse are zero.

    The authors' code starts from zero weights and ignores `padding_mode`; this one starts as
    `torch.nn.Conv2d` and honours it. Their kernels have sides 3, 5 and 7; other odd sides are ours.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, odd, for `resample`; any sides for `cut`.
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps, in input pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O is added to the output.
        mode: `resample` or `cut`.
        angles: Of the points on a circle: `grid` keeps the directions of the taps, `uniform`
            spreads them evenly (sides up to 7).
        padding_mode: As for `torch.nn.Conv2d`.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: As `torch.nn.Conv2d`, or if an option is unknown or without effect.
        UnsupportedError: If the kernel is even, not square or too large for its options.
    """

    version: ClassVar[int] = 1
    is_translation_equivariant: ClassVar[bool] = True
    taps: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        mode: Literal["resample", "cut"] = "resample",
        angles: Literal["grid", "uniform"] = "grid",
        padding_mode: str = "zeros",
    ) -> None:
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        geometry = Geometry.of(*sizes, dims=2, padding_mode=padding_mode)
        check_choice("circular", "mode", mode, get_args(Mode))
        check_choice("circular", "angles", angles, get_args(Angles))
        height, width = geometry.kernel_size
        _check_kernel(height, width, mode, angles)
        super().__init__(*sizes, bias, padding_mode)  # type: ignore[arg-type] # torch writes out the sizes
        self.geometry, self.mode = geometry, mode
        is_cut = mode == "cut"
        self.exact_taps = inscribed(height, width) if is_cut else resampling(height, angles)
        self.register_buffer("taps", self._placed_taps(), persistent=False)

    def _placed_taps(self) -> Tensor:
        """Return the taps on the weight's device and in its precision, from float64."""
        return self.exact_taps.to(self.weight.device, computing_dtype(self.weight))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move and cast as any module, but never round `taps` to a narrower type in between."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call] # torch has no annotation
        self.taps = self._placed_taps()
        return self

    def effective_kernel(self, size: tuple[int, ...] | None = None) -> Tensor:  # noqa: ARG002 - the same at every size
        """Return the kernel on the grid, (O, I/G, K, K)."""
        if self.mode == "cut":
            return (self.weight * self.taps).to(self.weight.dtype)
        with without_autocast(self.weight):
            rows = self.weight.flatten(2).to(self.taps.dtype) @ self.taps  # (O, I/G, k^2)
        return rows.view_as(self.weight).to(self.weight.dtype)

    def fold(self) -> nn.Module:
        """Return an equal plain convolution."""
        return self.geometry.plain(self.effective_kernel(), self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, H, W) to (B, O, H', W')."""
        return self.geometry.convolve(x, self.effective_kernel(), self.bias)


def _check_kernel(height: int, width: int, mode: Mode, angles: Angles) -> None:
    if mode == "cut" and angles != "grid":
        message = f"circular: angles (={angles!r}) has no effect for mode 'cut'; leave it at 'grid'"
        raise ValueError(message)
    if mode == "resample" and (height != width or height % 2 == 0):
        message = f"circular: kernel_size (={(height, width)}) must be square and odd to resample"
        raise UnsupportedError(message)
    if angles == "uniform" and height > 7:
        message = f"circular: kernel_size (={height}) must be <= 7 for angles 'uniform'"
        raise UnsupportedError(message)


def inscribed(height: int, width: int) -> Tensor:
    """Return 1 for the taps whose centre is inside the inscribed ellipse, else 0: (K, K)."""
    rows = ((torch.arange(height, device="cpu") + 0.5) / (height / 2) - 1).square()
    columns = ((torch.arange(width, device="cpu") + 0.5) / (width / 2) - 1).square()
    return (rows[:, None] + columns < 1).double()


def resampling(side: int, angles: Angles) -> Tensor:
    """Return T, (k^2, k^2) in float64: row = source tap, column = target tap, taps row-major."""
    matrix = torch.zeros(side * side, side, side, dtype=torch.float64, device="cpu")
    for tap in range(side * side):
        row, column = _sample_point(tap // side, tap % side, side // 2, angles)
        for i, row_share in _neighbours(row, side):
            for j, column_share in _neighbours(column, side):
                matrix[tap, i, j] += row_share * column_share
    return matrix.flatten(1)


def _sample_point(row: int, column: int, centre: int, angles: Angles) -> tuple[float, float]:
    """Return where on its circle the weight of a tap lies, (row, column)."""
    u, v = row - centre, column - centre
    if u == 0 or v == 0:
        return row, column
    radius = math.isqrt(u * u + v * v)
    angle = math.atan2(abs(u), abs(v))
    if angles == "uniform" and abs(u) != abs(v):
        small = UNIFORM_ANGLES[min(abs(u), abs(v)), max(abs(u), abs(v))]
        angle = small if abs(u) < abs(v) else math.pi / 2 - small
    return (
        centre + math.copysign(radius * math.sin(angle), u),
        centre + math.copysign(radius * math.cos(angle), v),
    )


def _neighbours(position: float, side: int) -> tuple[tuple[int, float], ...]:
    """Return the grid points around a position on one axis with their linear weights."""
    if side == 1:
        return ((0, 1.0),)
    low = min(max(math.floor(position), 0), side - 2)
    return (low, low + 1 - position), (low + 1, position - low)
