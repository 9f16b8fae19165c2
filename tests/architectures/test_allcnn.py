"""Facts of sections 2.8, 5 and 11 of the N-Jet specification that concern All-CNN-C."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.operators.conv import Conv2d
from kbench.operators.njet import NJet2d
from kbench.registry import ARCHITECTURES

PUBLISHED = {"width1": 80, "width2": 160, "num_classes": 100}
FIGURE_9 = (32, 29, 24, 21, 17, 13, 8, 5)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture("allcnn_c", **arguments)


def njet(order: int, **options: object) -> dict[str, object]:
    return {"operator": "njet", "operator_options": {"order": order, **options}}


def sides_after(network: nn.Module, kind: type[nn.Module]) -> list[int]:
    sides = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))
    return sides


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ({}, 1_370_996),
        (PUBLISHED, 967_640),
        (PUBLISHED | njet(3) | {"strided": False}, 1_070_287),
        (PUBLISHED | njet(2) | {"strided": False}, 659_727),
    ],
    ids=["default", "conv", "order3", "order2"],
)
def test_counts_are_the_printed_ones(arguments: dict[str, object], total: int) -> None:
    assert count(build_on_meta(**arguments)) == total


def test_narrow_network_has_the_published_counts() -> None:
    # Table 4: 0.97, 1.07 and 0.66 million.
    found = [count(build_on_meta(**PUBLISHED, **kind)) for kind in ({}, njet(3), njet(2))]
    assert [round(total / 1e6, 2) for total in found] == [0.97, 1.07, 0.66]


def test_is_the_printed_sequence_of_layers() -> None:
    layers: list[nn.Module] = []
    channels = [3, 5, 5, 5, 7, 7, 7, 7]
    for (inputs, outputs), stride in zip(pairwise(channels), (1, 1, 2, 1, 1, 2, 1), strict=True):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)]
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
    for outputs in (7, 10):
        layers += [nn.Conv2d(7, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    expected = nn.Sequential(*layers).double()
    network = build_architecture("allcnn_c", width1=5, width2=7).double()
    for mine, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    x = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    # Two orders of summation in float64.
    torch.testing.assert_close(network(x), expected(x).mean((2, 3)), rtol=1e-10, atol=1e-12)


def test_logits_may_be_negative_without_the_last_rectifier() -> None:
    x = torch.randn(4, 3, 16, 16)
    networks = [build_architecture("allcnn_c", width1=4, final_relu=f) for f in (True, False)]
    assert [(network(x) < 0).any().item() for network in networks] == [False, True]


@pytest.mark.parametrize(
    ("strided", "sides"),
    [(True, [32, 32, 16, 16, 16, 8, 8]), (False, [32] * 7)],
    ids=["strided", "plain"],
)
def test_strides_halve_the_sides(strided: bool, sides: list[int]) -> None:
    network = build_architecture("allcnn_c", width1=2, width2=2, strided=strided)
    assert sides_after(network, Conv2d) == sides


def test_sigmas_that_figure_9_implies_give_its_sides() -> None:
    arguments = njet(1, safe_subsample=4) | {"strided": False, "width1": 2, "width2": 2}
    network = build_architecture("allcnn_c", **arguments)
    layers = [m for m in network.modules() if isinstance(m, NJet2d)]
    for layer, (side, new) in zip(layers, pairwise(FIGURE_9), strict=True):
        # side 2^(-sigma / 4) lies half-way between new and new + 1.
        nn.init.constant_(layer.scale, math.log2(4 * math.log2(side / (new + 0.5))))
    assert sides_after(network, NJet2d) == list(FIGURE_9[1:])


def test_operators_are_made_in_the_order_of_execution() -> None:
    made, run = [], []

    def conv(*arguments: int, **options: object) -> nn.Module:
        made.append(Conv2d(*arguments, **options))
        made[-1].register_forward_hook(lambda module, *_: run.append(module))
        return made[-1]

    network = ARCHITECTURES["allcnn_c"](conv, 10, 3, width1=2, width2=3)
    network(torch.randn(2, 3, 8, 8))
    assert [id(module) for module in run] == [id(module) for module in made]
    assert len(made) == 7


@pytest.mark.parametrize("operator", ["conv", "lc", "njet"])
def test_one_pixel_is_enough(operator: str) -> None:
    arguments = {"in_channels": 1, "num_classes": 6, "width1": 4, "width2": 6}
    network = build_architecture("allcnn_c", operator=operator, **arguments)
    logits = network(torch.randn(4, 1, 1, 1))
    logits.square().sum().backward()
    assert logits.shape == (4, 6)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_meta_device_maps_shapes() -> None:
    network = build_on_meta(**njet(3, safe_subsample=4), strided=False)
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width1": 0}, r"width1 \(=0\) must be an integer >= 1"),
        ({"width2": 1.5}, r"width2 \(=1.5\) must be an integer >= 1"),
        ({"strided": 0}, r"strided \(=0\) must be true or false"),
        ({"final_relu": "no"}, r"final_relu \(='no'\) must be true or false"),
    ],
    ids=["width1", "width2", "strided", "final_relu"],
)
def test_refuses_wrong_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture("allcnn_c", **options)
