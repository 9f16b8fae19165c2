"""Facts of section 5 of the N-Jet specification about its ResNet-110."""

import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError
from kbench.operators.conv import Conv2d
from kbench.registry import ARCHITECTURES

NAME = "resnet110_bottleneck_cifar"
MATCHING = {"num_blocks": 8, "width": 48}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(NAME, **arguments)


def njet(order: int) -> dict[str, object]:
    return {"operator": "njet", "operator_options": {"order": order}}


def num_layers(network: nn.Module) -> int:
    """Return the depth as residual networks count it, without shortcuts."""
    named = network.named_modules()
    return sum(isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in n for n, m in named)


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ({}, 6_760_362),
        (njet(3), 7_147_585),
        (njet(2), 5_598_913),
        (MATCHING, 6_903_034),
        (MATCHING | njet(3), 7_290_275),
        (MATCHING | njet(2), 5_741_411),
        ({"stem_width": 16}, 6_760_362 - 3 * 9 * 16 - 2 * 16 - (32 + 128) * 16),
    ],
    ids=["conv", "order3", "order2", "matching", "matching3", "matching2", "stem"],
)
def test_counts_are_the_printed_ones(arguments: dict[str, object], total: int) -> None:
    assert count(build_on_meta(**arguments)) == total


def test_eight_blocks_have_the_published_counts() -> None:
    # Table 4: 6.90, 7.29 and 5.74 million.
    found = [count(build_on_meta(**MATCHING, **kind)) for kind in ({}, njet(3), njet(2))]
    assert [round(total / 1e6, 2) for total in found] == [6.90, 7.29, 5.74]


def test_narrow_network_is_the_usual_164_layers() -> None:
    network = build_on_meta(width=16)
    assert num_layers(network) == 164
    assert round(count(network) / 1e6, 2) == 1.70


def test_matching_network_has_74_layers() -> None:
    assert num_layers(build_on_meta(**MATCHING)) == 74


@pytest.mark.parametrize(("index", "stride"), [(0, 1), (1, 1), (2, 2)])
def test_block_is_that_of_torchvision(index: int, stride: int) -> None:
    block = build_architecture(NAME, num_blocks=2, width=4).blocks[index].double()
    in_channels, width = block.conv1.in_channels, block.conv1.out_channels
    down = None
    if index != 1:
        pointwise = nn.Conv2d(in_channels, 4 * width, 1, stride, bias=False)
        down = nn.Sequential(pointwise, nn.BatchNorm2d(4 * width))
    expected = Bottleneck(in_channels, width, stride, down).double()
    for mine, theirs in zip(block.parameters(), expected.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    x = torch.randn(2, in_channels, 8, 8, dtype=torch.float64)
    # Two orders of summation in float64.
    torch.testing.assert_close(block(x), expected(x), rtol=1e-10, atol=1e-12)


def test_stages_halve_the_sides() -> None:
    network = build_architecture(NAME, num_blocks=2, width=2)
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[1:])))
    network(torch.randn(2, 3, 9, 9))
    assert shapes == [(8, 9, 9)] * 2 + [(16, 5, 5)] * 2 + [(32, 3, 3)] * 2


def test_operators_are_made_in_the_order_of_execution() -> None:
    made, run = [], []

    def conv(*arguments: int, **options: object) -> nn.Module:
        made.append(Conv2d(*arguments, **options))
        made[-1].register_forward_hook(lambda module, *_: run.append(module))
        return made[-1]

    ARCHITECTURES[NAME](conv, 10, 3, num_blocks=2, width=2)(torch.randn(2, 3, 8, 8))
    assert [id(module) for module in run] == [id(module) for module in made]
    assert len(made) == 7


@pytest.mark.parametrize("operator", ["conv", "lc", "njet"])
def test_one_pixel_is_enough(operator: str) -> None:
    arguments = {"in_channels": 1, "num_classes": 6, "num_blocks": 2, "width": 4}
    network = build_architecture(NAME, operator=operator, **arguments)
    logits = network(torch.randn(4, 1, 1, 1))
    logits.square().sum().backward()
    assert logits.shape == (4, 6)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_operator_that_changes_the_side_is_refused() -> None:
    arguments = {"operator": "njet", "operator_options": {"safe_subsample": 4}}
    network = build_on_meta(**arguments, num_blocks=1, width=2)
    expected = r"the operator leaves sides \(21, 21\) where the network needs \(26, 26\)"
    with pytest.raises(UnsupportedError, match=expected):
        network(torch.empty(1, 3, 32, 32, device="meta"))


def test_meta_device_maps_shapes() -> None:
    network = build_on_meta(**njet(3), num_blocks=2)
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_blocks": 0}, r"num_blocks \(=0\) must be an integer >= 1"),
        ({"width": 2.0}, r"width \(=2.0\) must be an integer >= 1"),
        ({"stem_width": -1}, r"stem_width \(=-1\) must be an integer >= 1"),
    ],
    ids=["num_blocks", "width", "stem_width"],
)
def test_refuses_wrong_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture(NAME, **options)
