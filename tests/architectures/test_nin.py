"""Facts of sections 2.8, 5 and 11 of the N-Jet specification that concern network in network."""

import math

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.operators.conv import Conv2d
from kbench.operators.njet import NJet2d
from kbench.registry import ARCHITECTURES


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module, *, learnable: bool = False) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad or not learnable)


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture("nin", **arguments)


def njet(order: int, **options: object) -> dict[str, object]:
    return {"operator": "njet", "operator_options": {"order": order, **options}}


def spatial(network: nn.Module) -> list[nn.Module]:
    return [network.block1.spatial, network.block2.spatial, network.block3.spatial]


def sides_after(network: nn.Module, side: int) -> list[int]:
    """Return the sides behind the spatial convolutions for an input of one side."""
    sides = []
    for module in spatial(network):
        module.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side))
    return sides


def literal_nin(*, final_relu: bool) -> nn.Sequential:
    """Network of section 5, as printed."""

    def unit(inputs: int, outputs: int, side: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *unit(3, 192, 5),
        *unit(192, 160, 1),
        *unit(160, 96, 1),
        nn.MaxPool2d(3, 2, 1),
        nn.Dropout(0.5),
        *unit(96, 192, 5),
        *unit(192, 192, 1),
        *unit(192, 192, 1),
        nn.AvgPool2d(3, 2, 1),
        nn.Dropout(0.5),
        *unit(192, 192, 3),
        *unit(192, 192, 1),
        *unit(192, 10, 1)[: 3 if final_relu else 2],
        nn.AvgPool2d(8),
        nn.Flatten(),
    )


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ({}, 968_404),
        ({"num_classes": 100}, 985_864),
        (njet(2) | {"pooling": False}, 496_663),
        (njet(3) | {"pooling": False}, 720_151),
        (njet(3, safe_subsample=4) | {"pooling": False}, 720_151),
    ],
    ids=["conv", "conv_100", "order2", "order3", "safe"],
)
def test_counts_are_the_printed_ones(arguments: dict[str, object], total: int) -> None:
    assert count(build_on_meta(**arguments)) == total


@pytest.mark.parametrize("kernels", [(3, 3, 3), (5, 5, 5), (7, 7, 5)], ids=str)
def test_kernels_of_figure_7_change_the_spatial_weights_only(kernels: tuple[int, ...]) -> None:
    # 5, 5, 3 is the default; 3 192, 96 192 and 192 192 weights a tap.
    taps = [new**2 - old**2 for new, old in zip(kernels, (5, 5, 3), strict=True)]
    change = 192 * (3 * taps[0] + 96 * taps[1] + 192 * taps[2])
    sizes = {f"kernel{index + 1}": size for index, size in enumerate(kernels)}
    assert count(build_on_meta(**sizes)) == 968_404 + change


def test_fixed_sigmas_are_not_learnable() -> None:
    network = build_on_meta(**njet(3, learn_sigma=False))
    assert count(network) - count(network, learnable=True) == 3


@pytest.mark.parametrize("final_relu", [True, False])
def test_is_the_printed_sequence_of_layers(final_relu: bool) -> None:
    network = build_architecture("nin", final_relu=final_relu).double().eval()
    expected = literal_nin(final_relu=final_relu).double().eval()
    for mine, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        logits = network(x)
        # Two orders of summation in float64.
        torch.testing.assert_close(logits, expected(x), rtol=1e-10, atol=1e-12)
    assert (logits >= 0).all().item() is final_relu


@pytest.mark.parametrize(
    ("arguments", "sides"),
    [({}, [32, 16, 8]), ({"pooling": False}, [32, 32, 32])],
    ids=["pooling", "none"],
)
def test_pooling_halves_the_sides(arguments: dict[str, object], sides: list[int]) -> None:
    assert sides_after(build_architecture("nin", width=6, **arguments), 32) == sides


def test_sigmas_of_figure_8_give_its_sides() -> None:
    arguments = njet(3, safe_subsample=4) | {"pooling": False, "width": 6}
    network = build_architecture("nin", **arguments)
    # Any sigma of the ranges that the sides imply: 0.37-0.57, 1.86-2.14, 2.49-2.95.
    for layer, sigma in zip(spatial(network), (0.5, 2.0, 2.7), strict=True):
        nn.init.constant_(layer.scale, math.log2(sigma))
    assert sides_after(network, 32) == [29, 20, 12]


def test_operators_are_made_in_the_order_of_execution() -> None:
    made, run = [], []

    def conv(*arguments: int, **options: object) -> nn.Module:
        made.append(Conv2d(*arguments, **options))
        made[-1].register_forward_hook(lambda module, *_: run.append(module))
        return made[-1]

    ARCHITECTURES["nin"](conv, 10, 3, width=6)(torch.randn(2, 3, 8, 8))
    assert [id(module) for module in run] == [id(module) for module in made]
    assert len(made) == 3


@pytest.mark.parametrize("operator", ["conv", "lc", "njet"])
@pytest.mark.parametrize("pooling", [True, False])
def test_one_pixel_is_enough(operator: str, pooling: bool) -> None:
    network = build_architecture(
        "nin", operator=operator, in_channels=1, num_classes=7, width=12, pooling=pooling
    )
    logits = network(torch.randn(4, 1, 1, 1))
    logits.square().sum().backward()
    assert logits.shape == (4, 7)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_meta_device_maps_shapes() -> None:
    network = build_on_meta(**njet(3, safe_subsample=4), pooling=False)
    assert isinstance(network.block1.spatial, NJet2d)
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width": 10}, r"width \(=10\) must be a multiple of 6"),
        ({"width": 0}, r"width \(=0\) must be an integer >= 6"),
        ({"kernel2": 4}, r"kernel2 \(=4\) must be odd"),
        ({"kernel3": 3.0}, r"kernel3 \(=3.0\) must be an integer >= 1"),
        ({"pooling": 1}, r"pooling \(=1\) must be true or false"),
        ({"final_relu": None}, r"final_relu \(=None\) must be true or false"),
        ({"dropout": 1.0}, r"dropout \(=1.0\) must be a number >= 0 and < 1"),
    ],
    ids=["width", "no_width", "even", "float", "pooling", "final_relu", "dropout"],
)
def test_refuses_wrong_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture("nin", **options)
