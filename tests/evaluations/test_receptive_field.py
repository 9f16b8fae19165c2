"""Receptive fields against facts F and G of GMConv's specification and literal forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.evaluations.receptive_field import (
    deviations,
    input_gradient,
    logarithmic,
    receptive_field,
    square_side,
)
from kbench.operators import build_operator


def bell(side: int, deviation: float) -> Tensor:
    squares = (torch.arange(side, dtype=torch.float64) - side // 2).square()
    return 1000 * torch.exp(-(squares[:, None] + squares) / (2 * deviation**2))


class TestFactG:
    @pytest.mark.parametrize(
        ("share", "log_side", "side"),
        [(0.2, 23, 13), (0.3, 29, 17), (0.5, 39, 23), (0.99, 77, 57)],
        ids=str,
    )
    def test_sides(self, share, log_side, side) -> None:
        field = bell(101, 10)
        assert square_side(logarithmic(field), share) == log_side
        assert square_side(field, share) == side


class TestFactF:
    @pytest.mark.parametrize(
        ("kernel_size", "sigma", "deviation"),
        [
            (3, 0.5, 1.459500),
            (3, 1.0, 2.341233),
            (3, 2.0, 2.526530),
            (3, 1e6, 2.581989),
            (7, 0.5, 1.466331),
            (7, 1.0, 3.155807),
            (7, 1e6, 6.324555),
        ],
        ids=str,
    )
    def test_deviation_of_ten_masked_layers_of_ones(self, kernel_size, sigma, deviation) -> None:
        layers = [
            build_operator(
                "gmconv",
                1,
                1,
                kernel_size,
                padding=kernel_size // 2,
                bias=False,
                sigma_init=sigma,
                eps=0,
            )
            for _ in range(10)
        ]
        for layer in layers:
            nn.init.ones_(layer.weight)
        model = nn.Sequential(*layers).double()
        field = input_gradient(model, torch.ones(1, 1, 81, 81, dtype=torch.float64))
        # The specification prints six decimals; sigma is stored in float32 (6e-8 relative).
        assert deviations(field) == pytest.approx([deviation] * 2, abs=1e-6)

    def test_deviation_with_strides_and_dilations(self) -> None:
        """Closed form of section 9.2: sqrt(sum of (stride product * dilation)^2 v), v = 2 / 3."""
        layers = [
            nn.Conv2d(1, 1, 3, padding=1, bias=False),
            nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False),
            nn.Conv2d(1, 1, 3, padding=2, dilation=2, bias=False),
        ]
        for layer in layers:
            nn.init.ones_(layer.weight)
        field = input_gradient(nn.Sequential(*layers).double(), torch.ones(1, 1, 33, 33).double())
        assert deviations(field) == pytest.approx([math.sqrt((1 + 1 + 16) * 2 / 3)] * 2)


@pytest.mark.parametrize("sides", [(9, 9), (8, 8), (6, 9), (7,)], ids=str)
def test_side_is_that_of_literal_squares(sides) -> None:
    torch.manual_seed(0)
    field = torch.rand(*sides, dtype=torch.float64)
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        reach = 0
        while True:
            window = tuple(slice(max(0, n // 2 - reach), n // 2 + reach + 1) for n in sides)
            if field[window].sum() > share * field.sum():
                break
            reach += 1
        assert square_side(field, share) == min(2 * reach + 1, max(sides))


class Net(nn.Module):
    """A network with pooling, a classifier, and operations in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(6, 5, 3, padding=1, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.second(self.relu(self.first(x)))
        return self.head(self.pool(maps).flatten(1))


def literal(net: Net, images: Tensor, kind: str) -> Tensor:
    """Return the mean over images, each alone, of what is summed over its channels."""
    fields = []
    for image in images:
        x = image[None].clone().requires_grad_()
        maps = net.second(net.first(x).relu())
        centre = maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2]
        (centre.relu() if kind == "relu" else centre).sum().backward()
        fields.append((x.grad.relu() if kind == "relu" else x.grad.abs()).sum((0, 1)))
    return torch.stack(fields).mean(0)


class TestEvaluation:
    @pytest.mark.parametrize("kind", ["relu", "absolute"])
    def test_map_is_the_mean_of_single_images(self, evaluate, tmp_path, kind) -> None:
        torch.manual_seed(0)
        network = evaluate(net := Net(), images := torch.randn(7, 3, 9, 9))
        list(receptive_field(network, images=6, gradient=kind))
        found = np.load(tmp_path / "erf.npz")["map"]
        expected = literal(net, images[:6], kind).double()
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-7)

    def test_numbers_are_those_of_the_map(self, evaluate, tmp_path) -> None:
        torch.manual_seed(0)
        network = evaluate(Net(), torch.randn(7, 3, 9, 9))
        found = dict(receptive_field(network))
        field = torch.from_numpy(np.load(tmp_path / "erf.npz")["map"])
        side = square_side(field, 0.5)
        assert (found["erf_side.50"], found["erf_area.50"]) == (side, side**2 / 81)
        assert found["erf_side_log.99"] == square_side(logarithmic(field), 0.99)
        assert [found["erf_sd.axis0"], found["erf_sd.axis1"]] == deviations(field)
        assert found["erf_input_side"] == 9

    def test_images_are_resized(self, evaluate, tmp_path) -> None:
        torch.manual_seed(0)
        network = evaluate(Net(), torch.randn(3, 3, 9, 9))
        assert dict(receptive_field(network, side=17))["erf_input_side"] == 17
        assert np.load(tmp_path / "erf.npz")["map"].shape == (17, 17)

    def test_a_layer_can_be_chosen(self, evaluate, tmp_path) -> None:
        torch.manual_seed(0)
        network = evaluate(Net(), torch.randn(3, 3, 9, 9))
        list(receptive_field(network, layer="first"))
        field = np.load(tmp_path / "erf.npz")["map"]
        assert (field > 0).sum() == 9  # one 3x3 convolution

    def test_a_pooling_to_a_fixed_size_is_not_the_last_map(self, evaluate, tmp_path) -> None:
        """As AlexNet's, which makes 6x6 positions of any number: each is a mean over many."""
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 6, 3, padding=1), nn.AdaptiveAvgPool2d(3), nn.Flatten()]
        network = evaluate(nn.Sequential(*layers), torch.randn(3, 3, 15, 15))
        list(receptive_field(network))
        rows, columns = np.nonzero(np.load(tmp_path / "erf.npz")["map"])
        assert set(rows) == set(columns) == {6, 7, 8}

    def test_an_unknown_layer_is_refused(self, evaluate) -> None:
        network = evaluate(Net(), torch.randn(3, 3, 9, 9))
        with pytest.raises(UnsupportedError, match="the network has no layer 'third'"):
            list(receptive_field(network, layer="third"))

    def test_a_network_without_maps_is_refused(self, evaluate) -> None:
        network = evaluate(nn.Sequential(nn.Flatten(), nn.Linear(27, 2)), torch.randn(2, 3, 3, 3))
        with pytest.raises(UnsupportedError, match="no map with more than one position"):
            list(receptive_field(network))

    @pytest.mark.parametrize(("value", "found"), [(0.0, "0.0"), (math.nan, "nan")], ids=str)
    def test_a_map_without_a_finite_sum_is_refused(self, evaluate, value, found) -> None:
        layer = nn.Conv2d(3, 2, 3, padding=1)
        nn.init.constant_(layer.weight, value)
        nn.init.ones_(layer.bias)
        network = evaluate(nn.Sequential(layer), torch.ones(2, 3, 5, 5))
        with pytest.raises(UnsupportedError, match=f"sum is {found}, it must be finite"):
            list(receptive_field(network))
