"""Low-pass pooling against its acceptance facts; the filter itself is tested with NIFF."""

import math

import pytest
import torch

from kbench.operators.spectral_filter import (
    filter_spectrum,
    low_pass_pool,
    make_hermitian,
    subsample,
)

TOLERANCE = 1e-6  # section 11, FLC


def test_subsampling_takes_pixels_from_the_first_of_each_axis():
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    expected = torch.tensor([[[[0.0, 3], [10, 13]]]])
    torch.testing.assert_close(subsample(x, (2, 3)), expected, rtol=0, atol=0)
    assert subsample(x, (1, 1)) is x


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


@pytest.mark.parametrize("sides", [(6, 8), (5, 7), (4, 1), (1, 2), (6,), (7,)], ids=str)
def test_the_hermitian_part_is_the_spectrum_of_a_real_signal(sides):
    half = (*sides[:-1], sides[-1] // 2 + 1)
    spectrum = torch.randn(3, *half, dtype=torch.complex128)
    missing = [*range(1, (sides[-1] + 1) // 2)]
    whole = torch.zeros(3, *sides, dtype=torch.complex128)
    whole[..., : half[-1]] = spectrum
    whole[..., missing] *= 2  # they stand for their mirrors too; the real part has both
    signal = torch.fft.ifftn(whole, dim=tuple(range(1, 1 + len(sides)))).real
    expected = torch.fft.rfftn(signal, dim=tuple(range(1, 1 + len(sides))))
    torch.testing.assert_close(make_hermitian(spectrum, sides), expected)


@pytest.mark.parametrize("dense", [False, True], ids=["depthwise", "dense"])
def test_gradients_of_any_response_equal_finite_differences(dense):
    size = (4, 5)
    shape = (2, 3, 4, 3) if dense else (2, 4, 3)
    x = torch.randn(2, 2, *size, dtype=torch.float64, requires_grad=True)
    response = torch.randn(shape, dtype=torch.complex128, requires_grad=True)

    def apply(x, response):
        return filter_spectrum(x, response, size, dense=dense, is_hermitian=False)

    assert torch.autograd.gradcheck(apply, (x, response), fast_mode=True)
    assert torch.autograd.gradgradcheck(apply, (x, response), fast_mode=True)
