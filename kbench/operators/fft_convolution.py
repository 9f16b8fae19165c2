"""Convolution by the fast Fourier transform, equal to the direct one for every size.

The official FlexConv code calls the inverse transform without its length, so odd lengths come out
wrong, and pads all axes by the size of the last one, so non-square kernels do; both are right here.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, S padded input
sides, N transform sides, F frequencies (the half spectrum of N, flattened), R basis functions.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

Complex = tuple[Tensor, Tensor]


def fft_convolve(
    x: Tensor,
    kernel: Tensor,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """Return what `torch.nn.functional.convNd` returns without padding and bias.

    Args:
        x: (B, I, *S), padded already.
        kernel: (O, I/G, *K).
        stride: Distance between output positions, an axis each.
        dilation: Distance between kernel taps, an axis each.
        groups: G.

    Shape:
        - output: (B, O, *S'), in the wider type of `x` and `kernel`, at least float32
    """
    sides = transform_sides(x.shape[2:])
    spectrum = _spectrum(_widen(kernel), sides, dilation)  # (O, I/G, F)
    spans = effective_sides(kernel.shape[2:], dilation)
    spectrum = spectrum.permute(2, 0, 1)
    return _multiply(x, (spectrum.real, spectrum.imag), spans, stride, groups)


def fft_convolve_factored(
    x: Tensor,
    mix: Tensor,
    basis: Tensor,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """Convolve with the kernel `mix @ basis` without ever building it.

    The transform is linear, so R basis functions are transformed instead of O * I/G kernels
    (33 instead of 900 in a FlexTCN) and mixed in the frequency domain.

    Args:
        x: (B, I, *S), padded already.
        mix: (O, I/G, R).
        basis: (R, *K).
        stride: Distance between output positions, an axis each.
        dilation: Distance between kernel taps, an axis each.
        groups: G.

    Shape:
        - output: (B, O, *S'), as `fft_convolve`
    """
    sides = transform_sides(x.shape[2:])
    waves = _spectrum(_widen(basis), sides, dilation)  # (R, F)
    parts = torch.cat((waves.real, waves.imag), dim=1).T  # (2F, R)
    parts = parts @ _widen(mix).flatten(0, 1).T
    real, imaginary = parts.view(2, -1, *mix.shape[:2])  # (F, O, I/G) each
    spans = effective_sides(basis.shape[1:], dilation)
    return _multiply(x, (real, imaginary), spans, stride, groups)


def effective_sides(sides: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """Return how many input positions a kernel of these sides spans, an axis each."""
    return tuple((side - 1) * step + 1 for side, step in zip(sides, dilation, strict=True))


def check_fits(sides: Sequence[int], spans: Sequence[int]) -> None:
    """Refuse a kernel that spans more than the padded input, in the words of torch.

    Raises:
        RuntimeError: Names both sizes.
    """
    if any(span > side for span, side in zip(spans, sides, strict=True)):
        message = (
            f"Calculated padded input size per channel: {tuple(sides)}. Kernel size: "
            f"{tuple(spans)}. Kernel size can't be greater than actual input size"
        )
        raise RuntimeError(message)


def transform_sides(sides: Sequence[int]) -> tuple[int, ...]:
    """Return the transform sides for an input: the next even numbers without a factor above 5."""
    return tuple(fast_length(side) for side in sides)


@lru_cache(maxsize=1024)
def fast_length(length: int) -> int:
    """Return the smallest even number >= `length` whose prime factors are 2, 3 and 5."""
    candidate = max(length + length % 2, 2)
    while not _is_smooth(candidate):
        candidate += 2
    return candidate


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def _widen(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _spectrum(kernel: Tensor, sides: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Return the half spectrum (..., F) of the last axes, reversed: then the product convolves."""
    axes = list(range(kernel.dim() - len(sides), kernel.dim()))
    if any(step != 1 for step in dilation):
        kernel = _spread(kernel, dilation)
    return torch.fft.rfftn(kernel.flip(axes), s=sides, dim=axes).flatten(axes[0])


def _spread(kernel: Tensor, dilation: Sequence[int]) -> Tensor:
    """Put zeros between the taps."""
    leading = kernel.dim() - len(dilation)
    spans = effective_sides(kernel.shape[leading:], dilation)
    spread = kernel.new_zeros(*kernel.shape[:leading], *spans)
    taps: list[slice] = [slice(None)] * leading + [slice(None, None, step) for step in dilation]
    spread[tuple(taps)] = kernel
    return spread


def _multiply(
    x: Tensor, spectrum: Complex, spans: Sequence[int], stride: Sequence[int], groups: int
) -> Tensor:
    """Apply a spectrum of (F, O, I/G); keep the outputs that see padded input alone."""
    check_fits(x.shape[2:], spans)
    if x.shape[0] == 0:  # transforms refuse empty batches, convolutions do not
        return _multiply(x.new_zeros(1, *x.shape[1:]), spectrum, spans, stride, groups)[:0]
    sides = transform_sides(x.shape[2:])
    axes = list(range(2, x.dim()))
    waves = torch.fft.rfftn(_widen(x), s=sides, dim=axes)  # (B, I, *half)
    half = waves.shape[2:]
    product = _mix_channels(waves.flatten(2), spectrum, groups)
    product = product.view(*product.shape[:2], *half)
    y = torch.fft.irfftn(product, s=sides, dim=axes)
    kept: list[slice] = [
        slice(span - 1, side, step)
        for span, side, step in zip(spans, x.shape[2:], stride, strict=True)
    ]
    return y[(slice(None), slice(None), *kept)]


def _mix_channels(waves: Tensor, spectrum: Complex, groups: int) -> Tensor:
    """Map (B, I, F) to (B, O, F) with a matrix per frequency and group.

    Products of many small complex matrices are slow in torch, so real ones do it.
    """
    count = len(waves)
    waves = waves.view(count, groups, -1, waves.shape[2])  # (B, G, I/G, F)
    real, imaginary = (
        part.reshape(len(part), groups, -1, part.shape[2]) for part in spectrum
    )  # (F, G, O/G, I/G) each
    if real.shape[-1] == 1:
        factors = torch.complex(real, imaginary).permute(3, 1, 2, 0)  # (1, G, O/G, F)
        return (waves * factors).flatten(1, 2)
    rows = waves.permute(3, 1, 0, 2)  # (F, G, B, I/G)
    rows = torch.cat((rows.real, rows.imag), dim=2)
    by_real, by_imaginary = rows @ real.mT, rows @ imaginary.mT  # (F, G, 2B, O/G) each
    product = torch.complex(
        by_real[:, :, :count] - by_imaginary[:, :, count:],
        by_imaginary[:, :, :count] + by_real[:, :, count:],
    )
    return product.permute(2, 1, 3, 0).flatten(1, 2)
