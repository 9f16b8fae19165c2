"""Layers of networks; shapes and counts by hand from the definition of ResNet-8."""

import pytest
from torch import nn

from kbench.cell import Choice
from kbench.network import measure_network
from kbench.network_summary import Layer, format_summary, summarise_network
from kbench.registry import ARCHITECTURES, OPERATORS


def layers_of(cell):
    return {layer.name: layer for layer in summarise_network(cell)}


def test_a_layer_is_named_with_its_operator_output_and_parameters(demo_cell) -> None:
    layers = layers_of(demo_cell())
    assert layers["stem"] == Layer("stem", "conv", (16, 8, 8), 144, 144)
    assert layers["blocks.1.conv1"] == Layer("blocks.1.conv1", "conv", (32, 4, 4), 4608, 4608)
    name = "blocks.1.shortcut.0"
    assert layers[name] == Layer(name, "Conv2d", (32, 4, 4), 512, 512)
    assert layers["classifier"] == Layer("classifier", "Linear", (10,), 650, 650)


def test_layers_come_in_the_order_of_the_network(demo_cell) -> None:
    names = list(layers_of(demo_cell()))
    assert names[:2] == ["stem", "norm"]
    assert names[-1] == "classifier"


def test_an_operator_is_one_layer_whatever_it_holds(demo_cell) -> None:
    layers = layers_of(demo_cell(operator=Choice("lc", {"expansion": 4, "frozen": True})))
    assert not [name for name in layers if name.startswith("stem.")]
    # LC: 4 * 16 frozen 3x3 filters of one channel, combined to 16 outputs.
    assert layers["stem"] == Layer("stem", "lc", (16, 8, 8), 64 * 9 + 64 * 16, 64 * 16)


@pytest.mark.parametrize("operator", ["conv", "flexconv", "gmconv", "lc", "njet"])
def test_layers_add_up_to_the_network(demo_cell, operator) -> None:
    cell = demo_cell(operator=Choice(operator))
    layers, known = summarise_network(cell), measure_network(cell)
    assert sum(layer.num_params for layer in layers) == known["num_params"]
    learnable = sum(layer.num_learnable_params for layer in layers)
    assert learnable == known["num_learnable_params"]


class Tied(nn.Module):
    """A parameter of its own, one layer under two names, a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(nn.Linear(3, 1).weight.detach())
        self.first = nn.Linear(64, 10)
        self.second = nn.Linear(64, 10, bias=False)
        self.second.weight = self.first.weight
        self.idle = nn.ReLU()

    def forward(self, x):
        x = x.flatten(1)
        return self.second(x) + self.first(x)


@pytest.mark.usefixtures("registries")
def test_own_parameters_count_and_shared_ones_count_once(demo_cell) -> None:
    @ARCHITECTURES.register("tied")
    def make(_conv, _num_classes, _in_channels):
        return Tied()

    layers = layers_of(demo_cell(architecture=Choice("tied")))
    assert layers[""] == Layer("", "Tied", (10,), 3, 3)
    assert layers["first"].num_params == 650
    assert layers["second"].num_params == 0
    assert layers["idle"].shape is None


@pytest.mark.usefixtures("registries")
def test_an_operator_of_the_users_own_has_its_name(demo_cell) -> None:
    @OPERATORS.register("mine")
    class Mine(nn.Conv2d):
        pass

    layers = layers_of(demo_cell(operator=Choice("mine")))
    assert layers["stem"].kind == "mine"
    assert layers["blocks.1.shortcut.0"].kind == "Conv2d"


def test_text_has_a_line_a_layer_and_the_sums() -> None:
    layers = [Layer("stem", "lc", (16, 8, 8), 1600, 1024), Layer("idle", "ReLU", None, 0, 0)]
    header, _, first, second, total = format_summary(layers).splitlines()
    headers = ["layer", "operator", "or", "class", "output", "params", "learnable"]
    assert header.split() == headers
    assert first.split() == ["stem", "lc", "16", "x", "8", "x", "8", "1,600", "1,024"]
    assert second.split() == ["idle", "ReLU", "-", "0", "0"]
    assert total.split() == ["total", "1,600", "1,024"]
