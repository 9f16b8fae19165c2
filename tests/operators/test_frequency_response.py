"""Coordinates and initialisers of the coordinate networks."""

import math

import pytest
import torch
from torch import nn

from kbench.operators.frequency_response import FrequencyResponse, frequency_points


def points(size, *, centred=False):
    return frequency_points(torch.zeros(1), size, centred, half=False)


def test_an_even_grid_is_that_of_the_specification():
    axis = torch.tensor([-2.0, -1.0, 0.0, 1.0])
    columns, rows = points((4, 4)).view(2, 4, 4)
    torch.testing.assert_close(columns, axis.expand(4, 4))
    torch.testing.assert_close(rows, axis[:, None].expand(4, 4))


def test_odd_sides_lie_on_half_integers_unless_centred():
    assert points((7,)).flatten().tolist() == [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
    assert points((7,), centred=True).flatten().tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert points((1,)).flatten().tolist() == [-0.5]


def test_the_first_plane_runs_along_the_last_axis():
    columns, rows = points((2, 3)).view(2, 2, 3)
    assert columns[0].tolist() == [-1.5, -0.5, 0.5]
    assert rows[:, 0].tolist() == [-1, 0]


def test_parameters_are_drawn_like_those_of_1x1_convolutions():
    torch.manual_seed(3)
    convolutions = [nn.Conv2d(i, o, 1) for _ in range(2) for i, o in ((2, 8), (8, 4), (4, 5))]
    torch.manual_seed(3)
    response = FrequencyResponse(2, (8, 4), 5)
    drawn = torch.cat([parameter.flatten() for parameter in response.parameters()])
    expected = [p.flatten() for layer in convolutions for p in layer.parameters()]
    torch.testing.assert_close(drawn, torch.cat(expected), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("init", "fan"),
    [("kaiming_fan_out", 0), ("kaiming_fan_out_zero_bias", 0), ("kaiming_fan_in", 1)],
)
def test_initialisers_have_their_spread(init, fan):
    torch.manual_seed(0)
    response = FrequencyResponse(2, (300, 400), 500)
    response.initialise(init)
    for network in (response.mlp_imag, response.mlp_real):
        for weight, bias in network.layers(torch.float32):
            # At least 600 draws: the sample deviation is within 12 % (four standard errors).
            assert weight.std().item() == pytest.approx(math.sqrt(2 / weight.shape[fan]), rel=0.12)
            assert (bias == 0).all() == (init == "kaiming_fan_out_zero_bias")


def test_zero_bias_start_removes_the_mean_of_even_maps():
    response = FrequencyResponse(2, (8, 4), 6)
    response.initialise("kaiming_fan_out_zero_bias")
    assert (response.centred_spectrum(torch.zeros(1), (8, 6))[:, 4, 3] == 0).all()


def test_gain_scales_the_responses():
    torch.manual_seed(0)
    plain = FrequencyResponse(2, (8, 4), 6)
    torch.manual_seed(0)
    scaled = FrequencyResponse(2, (8, 4), 6)
    scaled.initialise("default", gain=0.25)
    spectra = [response.half_spectrum(torch.zeros(1), (7, 6)) for response in (plain, scaled)]
    torch.testing.assert_close(spectra[1], 0.25 * spectra[0])
