"""The arguments of a convolution, normalised and checked once for all operators.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, S spatial sides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Size = int | tuple[int, ...]
Padding = int | str | tuple[int, ...]

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d}
PLAIN_MODULES: dict[int, Callable[..., nn.Conv1d | nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
PADDING_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


@dataclass(frozen=True)
class Geometry:
    """Arguments of `torch.nn.ConvNd` with every size as a tuple of `dims` numbers.

    Attributes:
        padding: Zeros (or what `padding_mode` says) added before and after, an axis a pair.
    """

    dims: int
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str

    @classmethod
    def of(
        cls,
        in_channels: int,
        out_channels: int,
        kernel_size: Size | str,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        dims: int,
        padding_mode: str = "zeros",
    ) -> "Geometry":
        """Return the normalised arguments.

        Raises:
            ValueError: If a size is not positive or is a word, the channels are not divisible by
                the groups, or the padding is not one that `torch.nn.ConvNd` takes.
        """
        for name, value in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
            ("groups", groups),
        ):
            _check_positive(name, value)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                message = f"{name} (={channels}) must be divisible by groups (={groups})"
                raise ValueError(message)
        if padding_mode not in PADDING_MODES:
            message = f"padding_mode (={padding_mode!r}) must be one of {list(PADDING_MODES)}"
            raise ValueError(message)
        kernel = _sizes("kernel_size", kernel_size, dims)
        strides = _sizes("stride", stride, dims)
        dilations = _sizes("dilation", dilation, dims)
        pads = _paddings(padding, kernel, dilations, strides)
        return cls(
            dims, in_channels, out_channels, kernel, strides, pads, dilations, groups, padding_mode
        )

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Return (O, I/G, *K), the shape of the plain convolution's weight."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    @property
    def fan_in(self) -> int:
        """Return I/G times the taps of the kernel."""
        return self.in_channels // self.groups * self.num_taps

    @property
    def num_taps(self) -> int:
        """Return the product of the kernel's sides."""
        return torch.Size(self.kernel_size).numel()

    def pad(self, x: Tensor) -> Tensor:
        """Pad (B, I, *S) as `padding` and `padding_mode` say."""
        amounts = [side for pair in reversed(self.padding) for side in pair]
        return F.pad(x, amounts, mode=PADDING_MODES[self.padding_mode]) if any(amounts) else x

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Map (B, I, *S) to (B, O, *S') with a weight of (O', I/G, *K') for any O' and K'."""
        convolution = CONVOLUTIONS[self.dims]
        symmetric = all(before == after for before, after in self.padding)
        if self.padding_mode == "zeros" and symmetric:
            pads = tuple(before for before, _ in self.padding)
            return convolution(x, weight, bias, self.stride, pads, self.dilation, self.groups)
        return convolution(self.pad(x), weight, bias, self.stride, 0, self.dilation, self.groups)

    def plain(self, weight: Tensor, bias: Tensor | None) -> nn.Module:
        """Return a `torch.nn.ConvNd` of these arguments that owns copies of `weight` and `bias`."""
        symmetric = all(before == after for before, after in self.padding)
        pads = tuple(before for before, _ in self.padding) if symmetric else 0
        convolution = PLAIN_MODULES[self.dims](
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            self.stride,
            pads,
            self.dilation,
            self.groups,
            bias is not None,
            self.padding_mode,
            device=weight.device,
            dtype=weight.dtype,
        )
        with torch.no_grad():
            convolution.weight.copy_(weight)
            if bias is not None and convolution.bias is not None:
                convolution.bias.copy_(bias)
        return convolution if symmetric else nn.Sequential(AsymmetricPad(self), convolution)


class AsymmetricPad(nn.Module):
    """Padding that `torch.nn.ConvNd` cannot express by numbers, as for `same` with even kernels."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to the padded (B, I, *S')."""
        return self.geometry.pad(x)


def _check_positive(name: str, value: int) -> None:
    if not _is_size(value, 1):
        message = f"{name} (={value!r}) must be an integer >= 1"
        raise ValueError(message)


def _is_size(value: object, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _sizes(name: str, value: Size | str, dims: int, least: int = 1) -> tuple[int, ...]:
    parts = (value,) * dims if isinstance(value, int) else tuple(value)
    sizes = tuple(part for part in parts if _is_size(part, least))
    if not len(sizes) == len(parts) == dims:
        hint = "; this operator knows no word" if isinstance(value, str) else ""
        message = f"{name} (={value!r}) must be an integer >= {least}, or {dims} of them{hint}"
        raise ValueError(message)
    return sizes


def _paddings(
    padding: Padding, kernel: tuple[int, ...], dilation: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    if not isinstance(padding, str):
        return tuple((side, side) for side in _sizes("padding", padding, len(kernel), least=0))
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        message = f"padding (={padding!r}) must be an integer, a tuple, 'same' or 'valid'"
        raise ValueError(message)
    if any(s != 1 for s in stride):
        message = "padding 'same' is not defined for a stride other than 1"
        raise ValueError(message)
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)
