"""Convolution with a kernel that is zero outside a window, without touching the zeros.

Leaving out the first f taps of an axis moves the input by f dilated positions, so the small kernel
needs that much less padding; where there is not enough padding, the input is cropped.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, T window sides, S
input sides, R basis functions.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.operators.fft_convolution import (
    check_fits,
    effective_sides,
    fft_convolve,
    fft_convolve_factored,
)
from kbench.operators.geometry import CONVOLUTIONS, Geometry

Window = tuple[int, int]
Windows = tuple[Window, ...]
Pads = tuple[tuple[int, int], ...]


def window_geometry(geometry: Geometry, windows: Windows) -> Geometry:
    """Return the arguments for the taps [first, last) alone; negative padding crops the input."""
    padding = tuple(
        (before - first * step, after - (size - last) * step)
        for (before, after), (first, last), size, step in zip(
            geometry.padding, windows, geometry.kernel_size, geometry.dilation, strict=True
        )
    )
    sides = tuple(last - first for first, last in windows)
    return replace(geometry, kernel_size=sides, padding=padding)


def convolve_window(
    geometry: Geometry, windows: Windows, x: Tensor, kernel: Tensor, bias: Tensor | None
) -> Tensor:
    """Map (B, I, *S) to (B, O, *S') with the part (O, I/G, *T) of a kernel of `geometry`."""
    check_input(geometry, x)
    x, padding = _pad_border(geometry, windows, x)
    sides = tuple(before for before, _ in padding)
    if any(before != after or before < 0 for before, after in padding):
        x, sides = _pad_zeros(x, padding), (0,) * geometry.dims
    arguments = (geometry.stride, sides, geometry.dilation, geometry.groups)
    return CONVOLUTIONS[geometry.dims](x, kernel, bias, *arguments)


def convolve_window_spectral(
    geometry: Geometry,
    windows: Windows,
    x: Tensor,
    kernel: tuple[Tensor, ...],
    bias: Tensor | None,
) -> Tensor:
    """Do as `convolve_window` by FFT, in float32 or better.

    Args:
        geometry: Arguments of the whole kernel.
        windows: The taps [first, last) of an axis each.
        x: (B, I, *S).
        kernel: One tensor (O, I/G, *T), or mix (O, I/G, R) and basis (R, *T) of it.
        bias: (O), or None.
    """
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if is_autocast_on(kind) else x.dtype
    arguments = (geometry.stride, geometry.dilation, geometry.groups)
    check_input(geometry, x)
    with without_autocast(x.device):
        x, padding = _pad_border(geometry, windows, x)
        x = _pad_zeros(x, padding)
        if len(kernel) == 1:
            y = fft_convolve(x, kernel[0], *arguments)
        else:
            y = fft_convolve_factored(x, kernel[0], kernel[1], *arguments)
        if bias is not None:
            y = y + bias.view(-1, *[1] * geometry.dims)
        return y.to(dtype)


def check_input(geometry: Geometry, x: Tensor) -> None:
    """Refuse an input (B, I, *S) that is smaller than the whole kernel.

    Raises:
        RuntimeError: As the plain convolution.
    """
    padded = [side + sum(pair) for side, pair in zip(x.shape[2:], geometry.padding, strict=True)]
    check_fits(padded, effective_sides(geometry.kernel_size, geometry.dilation))


def is_autocast_on(kind: str) -> bool:
    """Return whether autocast is on for a kind of device, false for one that has none."""
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which autocast is off."""
    if not is_autocast_on(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _pad_border(geometry: Geometry, windows: Windows, x: Tensor) -> tuple[Tensor, Pads]:
    """Pad as the padding mode says, unless with zeros; return what is left to pad with zeros."""
    if geometry.padding_mode == "zeros":
        return x, window_geometry(geometry, windows).padding
    unpadded = replace(geometry, padding=((0, 0),) * geometry.dims)
    return geometry.pad(x), window_geometry(unpadded, windows).padding


def _pad_zeros(x: Tensor, padding: Pads) -> Tensor:
    amounts = [amount for pair in reversed(padding) for amount in pair]
    return F.pad(x, amounts) if any(amounts) else x
