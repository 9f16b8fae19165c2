"""Low-pass pooling against its acceptance facts; the filter itself is tested with NIFF."""

import math

import pytest
import torch

from kbench.operators.spectral_filter import filter_spectrum, low_pass_pool

TOLERANCE = 1e-6  # section 11, FLC


@pytest.mark.parametrize("side", [1, 2, 3, 7, 8, 14, 32, 56])
def test_pooling_keeps_a_constant(side):
    y = low_pass_pool(torch.full((1, 2, side, side), 3.0, dtype=torch.float64), 2)
    kept = math.ceil(side / 2)
    torch.testing.assert_close(y, torch.full((1, 2, kept, kept), 3.0, dtype=y.dtype))


@pytest.mark.parametrize(
    ("cycles", "amplitude"), [(1, 1), (3, 1), (7, 1), (8, 0.5), (9, 0), (15, 0)], ids=str
)
@pytest.mark.parametrize("axis", [0, 1])
def test_pooling_samples_what_is_below_a_quarter_and_removes_the_rest(cycles, amplitude, axis):
    wave = torch.cos(2 * math.pi * cycles * torch.arange(32, dtype=torch.float64) / 32)
    x = wave.expand(1, 1, 32, 32).transpose(2, 2 + axis)
    expected = amplitude * x[..., ::2, ::2]
    torch.testing.assert_close(low_pass_pool(x, 2), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("side", [28, 32])
def test_pooling_turns_a_shift_by_two_into_one(side):
    x = torch.randn(1, 2, side, side, dtype=torch.float64)
    expected = low_pass_pool(x, 2).roll((1, -1), (2, 3))
    shifted = low_pass_pool(x.roll((2, -2), (2, 3)), 2)
    torch.testing.assert_close(shifted, expected, atol=TOLERANCE, rtol=0)


def test_one_filter_broadcasts_over_channels_in_both_directions():
    x = torch.randn(2, 1, 3, 6, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(4, 1, 6, dtype=torch.float64)
    response = torch.fft.rfft(kernels).requires_grad_()

    def call(x, response):
        return filter_spectrum(x, response, (6,), dense=False)

    explicit = torch.stack([kernels.roll(shift, -1) for shift in range(6)], -1)  # (4, 1, y, x)
    expected = torch.einsum("bzix,kzyx->bkiy", x, explicit.expand(4, 1, 6, 6))
    torch.testing.assert_close(call(x, response), expected)
    gradient = torch.autograd.grad(call(x, response).square().sum(), (x, response))
    literal = torch.fft.irfft(torch.fft.rfft(x) * response, 6)
    expected_gradient = torch.autograd.grad(literal.square().sum(), (x, response))
    torch.testing.assert_close(gradient, expected_gradient)
