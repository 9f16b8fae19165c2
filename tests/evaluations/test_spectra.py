"""Energy of kernels by frequency against closed forms and a fine grid of frequencies."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from kbench.evaluations.spectra import high_frequency_fraction, mean_amplitude, spectra
from kbench.operators import build_operator


@pytest.mark.parametrize(
    ("sides", "expected"), [((5,), 0.5), ((5, 5), 0.75), ((3, 8), 0.75)], ids=str
)
def test_an_impulse_has_equal_energy_everywhere(sides, expected) -> None:
    kernel = torch.zeros(2, math.prod(sides), dtype=torch.float64)
    kernel[:, 4] = 3
    assert high_frequency_fraction(kernel.view(2, *sides)) == pytest.approx(expected)


@pytest.mark.parametrize(("sign", "side"), [(1, "low"), (-1, "high")], ids=["sum", "difference"])
def test_two_taps_have_their_known_spectrum(sign, side) -> None:
    """|1 +- exp(-2 pi i f)|^2 = 2 +- 2 cos(2 pi f); the part from 1/4 to 1/2 is 1/2 -+ 1/pi."""
    kernel = torch.tensor([[1.0, sign]], dtype=torch.float64)
    expected = 0.5 - sign / math.pi
    assert high_frequency_fraction(kernel) == pytest.approx(expected)
    assert (expected < 0.5) == (side == "low")


@pytest.mark.parametrize("cutoff", [0.125, 0.25, 0.4], ids=str)
def test_fraction_is_that_of_a_fine_grid_of_frequencies(cutoff) -> None:
    torch.manual_seed(0)
    kernels = torch.randn(3, 4, 5, dtype=torch.float64)
    size = 640
    power = torch.fft.fft2(kernels, (size, size)).abs().square().sum(0)
    frequency = torch.fft.fftfreq(size, dtype=torch.float64).abs()
    # Bins on the edge belong to both bands by halves, as in the trapezoidal rule.
    inside = (frequency < cutoff - 1e-9).double() + 0.5 * (
        (frequency - cutoff).abs() < 1e-9
    ).double()
    low = (power * inside[:, None] * inside).sum() / power.sum()
    # The rule's error falls with the square of the size.
    assert high_frequency_fraction(kernels, cutoff) == pytest.approx(1 - float(low), abs=1e-4)


def test_kernels_of_zeros_have_no_energy() -> None:
    assert high_frequency_fraction(torch.zeros(2, 3, 3, dtype=torch.float64)) == 0


def test_amplitude_has_the_mean_in_the_centre() -> None:
    kernels = torch.ones(2, 5, 5, dtype=torch.float64)
    amplitude = mean_amplitude(kernels)
    assert amplitude[2, 2] == pytest.approx(25)
    assert float(amplitude.sum()) == pytest.approx(25)


def test_every_spatial_layer_and_their_mean_are_reported(evaluate, tmp_path) -> None:
    torch.manual_seed(0)
    flexible = build_operator("flexconv", 3, 4, 9)
    net = nn.Sequential(flexible, nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 3))
    found = dict(spectra(evaluate(net, torch.randn(2, 3, 8, 8))))
    full = flexible.full_kernel().detach().double().flatten(0, 1)
    assert found["high_frequency.0"] == pytest.approx(high_frequency_fraction(full))
    assert found["high_frequency"] == (found["high_frequency.0"] + found["high_frequency.2"]) / 2
    assert set(found) == {"high_frequency.0", "high_frequency.2", "high_frequency"}
    assert np.load(tmp_path / "spectra.npz")["0"].shape == (9, 9)
