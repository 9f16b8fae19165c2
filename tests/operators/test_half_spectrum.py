"""Half spectra against the real part that section 4.1 of NIFF's specification takes."""

import pytest
import torch
from torch import Tensor, nn

from kbench.operators.frequency_response import FrequencyResponse, frequency_points
from kbench.operators.half_spectrum import features, half_basis, half_response

SIZES = [(8, 8), (7, 7), (6, 9), (9, 4), (5,), (1, 5), (2, 2)]
# Sums of at most 33 products in float64; the specification saw 1e-12.
ROUNDING = {"rtol": 1e-10, "atol": 1e-11}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(size: tuple[int, ...], hidden: tuple[int, ...] = (8, 4)) -> FrequencyResponse:
    return FrequencyResponse(len(size), hidden, 5).double()


def points(size: tuple[int, ...]) -> Tensor:
    return frequency_points(torch.zeros(1, dtype=torch.float64), size, centred=False, half=True)


def layers(response: FrequencyResponse) -> list[list[tuple[Tensor, Tensor]]]:
    return [network.layers() for network in (response.mlp_imag, response.mlp_real)]


def spectrum_of_the_real_part(response: FrequencyResponse, size: tuple[int, ...]) -> Tensor:
    """Return the half spectrum (M, Q) of Re ifft of the whole response, as section 2.1 has it."""
    dim = tuple(range(1, 1 + len(size)))
    like = torch.zeros(1, dtype=torch.float64)
    whole = torch.fft.ifftshift(response.centred_spectrum(like, size), dim)
    return torch.fft.rfftn(torch.fft.ifftn(whole, dim=dim).real, dim=dim).flatten(1)


def test_features_are_those_of_a_sequence_of_linear_layers_and_silu() -> None:
    network = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 4), nn.SiLU(), nn.Linear(4, 3))
    pairs = [(layer.weight, layer.bias) for layer in network[::2]]
    x = torch.randn(2, 11)
    torch.testing.assert_close(features(x, pairs), network[:-1](x.T).T)


@pytest.mark.parametrize("hidden", [(8,), (8, 4), (16, 12, 6)], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_response_is_the_spectrum_of_the_real_part(size, hidden) -> None:
    response = build(size, hidden)
    found = half_response(points(size), *layers(response))
    torch.testing.assert_close(found, spectrum_of_the_real_part(response, size), **ROUNDING)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_responses_are_combinations_of_the_basis_and_a_constant(size) -> None:
    response = build(size)
    imag, real = layers(response)
    basis = half_basis(points(size), imag, real)
    assert basis.shape[0] == 2 * 4
    weights = torch.cat((real[-1][0], imag[-1][0]), 1).to(basis.dtype)
    expected = weights @ basis + real[-1][1][:, None]
    torch.testing.assert_close(half_response(points(size), imag, real), expected, **ROUNDING)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)], ids=str)
@pytest.mark.parametrize("hidden", [(3,), (3, 2)], ids=str)
def test_first_and_second_derivatives_are_those_of_finite_differences(size, hidden) -> None:
    response = build(size, hidden)
    parameters = tuple(response.parameters())

    def call(*values: Tensor) -> Tensor:
        pairs = list(zip(values[::2], values[1::2], strict=True))
        half = len(pairs) // 2
        return torch.view_as_real(half_response(points(size), pairs[:half], pairs[half:]))

    assert torch.autograd.gradcheck(call, parameters, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, parameters, fast_mode=True)


def test_the_last_imaginary_bias_gets_a_gradient_of_zeros() -> None:
    """It has no effect (section 2.5), but wrappers for several processes wait for a gradient."""
    response = build((7, 6))
    half_response(points((7, 6)), *layers(response)).abs().sum().backward()
    assert torch.equal(response.mlp_imag.bias2.grad, torch.zeros(5, dtype=torch.float64))
    assert response.mlp_real.bias2.grad.abs().min() > 0
