"""Frequencies of the kernels (FlexConv, section 9).

Shapes: M kernels, K kernel sides.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from kbench.evaluations.arrays import write_arrays
from kbench.evaluations.layers import spatial_kernels
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS


def high_frequency_fraction(kernels: Tensor, cutoff: float = 0.25) -> float:
    r"""Return the share of the kernels' energy above a frequency on any axis.

    By Parseval's theorem the energy at frequencies up to c on an axis is :math:`k^T B k` with
    :math:`B_{mn} = 2 c \, \mathrm{sinc}(2 c (m - n))`, which needs no grid of frequencies. That a
    frequency is high if it is on one axis is ours: at half the resolution it would alias.

    Args:
        kernels: (M, *K), float64.
        cutoff: Cycles per sample, 0 to 0.5.

    Returns:
        0 to 1; 0 for kernels of zeros.
    """
    low = kernels
    for axis, side in enumerate(kernels.shape[1:], start=1):
        taps = torch.arange(side, device=kernels.device, dtype=kernels.dtype)
        band = 2 * cutoff * torch.sinc(2 * cutoff * (taps[:, None] - taps))
        low = (low.movedim(axis, -1) @ band).movedim(-1, axis)
    energy = kernels.square().sum()
    if energy == 0:
        return 0.0
    return min(1.0, max(0.0, float(1 - (low * kernels).sum() / energy)))


def mean_amplitude(kernels: Tensor) -> Tensor:
    """Return the mean over kernels (M, *K) of the DFT's absolute value, frequency 0 at K // 2."""
    axes = tuple(range(1, kernels.ndim))
    return torch.fft.fftshift(torch.fft.fftn(kernels, dim=axes), axes).abs().mean(0)


@EVALUATIONS.register("spectra")
def spectra(network: Evaluated, *, cutoff: float = 0.25) -> Iterator[tuple[str, float]]:
    """Share of the kernels' energy above a frequency, for every layer, and their mean.

    Mean amplitudes of every layer are written to `spectra.npz`.
    """
    fractions, arrays = [], {}
    for layer, kernels in spatial_kernels(network):
        fractions.append(high_frequency_fraction(kernels, cutoff))
        arrays[layer.name] = mean_amplitude(kernels)
        yield f"high_frequency.{layer.name}", fractions[-1]
    if fractions:
        yield "high_frequency", sum(fractions) / len(fractions)
    write_arrays(network.directory / "spectra.npz", arrays)
