"""Facts of section 5 of the N-Jet specification about its U-Nets."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError
from kbench.operators.conv import Conv2d
from kbench.registry import ARCHITECTURES

SCENES = {"num_classes": 11, "in_channels": 1}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture("unet", **SCENES, **arguments)


def njet(order: int) -> dict[str, object]:
    options = {"order": order, "alpha_init": "fan_in"}
    return {"operator": "njet", "operator_options": options, "bias": False}


def literal_unet(network: nn.Module, x: Tensor) -> Tensor:
    """Network of section 5 as printed, upsampling before the 1x1 convolution, for even sides."""

    def twice(level: nn.Module, x: Tensor) -> Tensor:
        for layer in (level.conv1, level.conv2):
            x = F.relu(F.conv2d(x, layer.weight, layer.bias, padding=1))
        return x

    kept = []
    for index, level in enumerate(network.encoder):
        kept.append(x := twice(level, F.max_pool2d(x, 2) if index else x))
    for decoder, before in zip(network.decoder, kept[-2::-1], strict=True):
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        x = F.conv2d(x, decoder.halve.weight, decoder.halve.bias)
        x = twice(decoder.level, torch.cat((before, x), dim=1))
    return F.conv2d(x, network.classifier.weight, network.classifier.bias)


@pytest.mark.parametrize(
    ("arguments", "total"),
    [({}, 1_739_467), (njet(2), 1_172_747 + 10), (njet(4), 2_869_067 + 10)],
    ids=["conv", "order2", "order4"],
)
def test_counts_are_the_printed_ones(arguments: dict[str, object], total: int) -> None:
    assert count(build_on_meta(**arguments)) == total


@pytest.mark.parametrize(
    ("arguments", "millions"),
    [
        ({}, 1.739),
        ({"kernel_size": 4}, 3.059),
        ({"kernel_size": 5}, 4.755),
        ({"num_levels": 4}, 7.181),
        ({"num_levels": 4, "width": 32}, 1.796),
        ({"num_levels": 5, "width": 32}, 7.238),
        ({"num_levels": 5, "width": 16}, 1.810),
        (njet(4), 2.869),
        (njet(2), 1.173),
    ],
    ids=[
        *("k3_l3", "k4_l3", "k5_l3", "k3_l4", "k3_l4_half", "k3_l5_half", "k3_l5_quarter"),
        *("njet_order4", "njet_order2"),
    ],
)
def test_counts_are_those_of_figure_12(arguments: dict[str, object], millions: float) -> None:
    assert round(count(build_on_meta(**arguments)) / 1e6, 3) == millions


@pytest.mark.parametrize("num_levels", [1, 2, 4])
def test_is_the_printed_sequence_of_layers(num_levels: int) -> None:
    network = build_architecture("unet", num_levels=num_levels, width=3, num_classes=4).double()
    x = torch.randn(2, 3, 16, 24, dtype=torch.float64)
    # Two orders of summation in float64.
    torch.testing.assert_close(network(x), literal_unet(network, x), rtol=1e-10, atol=1e-12)


def test_even_kernels_reach_further_to_the_right_and_bottom() -> None:
    network = build_architecture("unet", num_levels=1, width=1, kernel_size=4, num_classes=2)
    for parameter in network.parameters():
        nn.init.ones_(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
    x = torch.zeros(1, 3, 9, 9)
    x[:, 0, 4, 4] = 1
    # Two kernels that reach 1 pixel before and 2 behind, seen from the output.
    rows = network(x)[0, 0].sum(1).nonzero().flatten().tolist()
    assert rows == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kernel_size", [1, 3, 4, 5])
@pytest.mark.parametrize("sides", [(4, 4), (5, 7), (9, 6)], ids=str)
def test_output_has_the_sides_of_the_input(kernel_size: int, sides: tuple[int, int]) -> None:
    network = build_architecture("unet", width=2, kernel_size=kernel_size, num_classes=5)
    assert network(torch.randn(2, 3, *sides)).shape == (2, 5, *sides)


@pytest.mark.parametrize("sides", [(3, 4), (4, 3), (1, 1)], ids=str)
def test_names_sides_that_are_too_small(sides: tuple[int, int]) -> None:
    network = build_architecture("unet", width=2)
    expected = rf"input sides \(=\({sides[0]}, {sides[1]}\)\) must be >= 4: num_levels \(=3\)"
    with pytest.raises(ValueError, match=expected):
        network(torch.randn(1, 3, *sides))


@pytest.mark.parametrize(
    ("arguments", "sides"),
    [({"operator_options": {"safe_subsample": 4}}, (21, 21)), ({"kernel_size": 4}, (26, 26))],
    ids=["subsampled", "even_kernel"],
)
def test_operator_that_changes_the_sides_is_refused(
    arguments: dict[str, object], sides: tuple[int, int]
) -> None:
    network = build_on_meta(operator="njet", num_levels=1, **arguments)
    expected = rf"the operator leaves sides \({sides[0]}, {sides[1]}\) where the network needs"
    with pytest.raises(UnsupportedError, match=expected):
        network(torch.empty(1, 1, 32, 32, device="meta"))


def test_operators_are_made_in_the_order_of_execution() -> None:
    made, run = [], []

    def conv(*arguments: int, **options: object) -> nn.Module:
        made.append(Conv2d(*arguments, **options))
        made[-1].register_forward_hook(lambda module, *_: run.append(module))
        return made[-1]

    ARCHITECTURES["unet"](conv, 11, 1, width=2)(torch.randn(1, 1, 8, 8))
    assert [id(module) for module in run] == [id(module) for module in made]
    assert len(made) == 10


@pytest.mark.parametrize(
    ("operator", "bias"), [("conv", True), ("lc", False), ("njet", False)], ids=str
)
def test_smallest_input_trains(operator: str, bias: bool) -> None:
    network = build_architecture("unet", operator=operator, **SCENES, width=4, bias=bias)
    logits = network(torch.randn(1, 1, 4, 4))
    logits.square().sum().backward()
    assert logits.shape == (1, 11, 4, 4)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_meta_device_maps_shapes() -> None:
    network = build_on_meta(**njet(4), num_levels=5)
    assert network(torch.empty(1, 1, 224, 224, device="meta")).shape == (1, 11, 224, 224)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_levels": 0}, r"num_levels \(=0\) must be an integer >= 1"),
        ({"width": "64"}, r"width \(='64'\) must be an integer >= 1"),
        ({"kernel_size": 0}, r"kernel_size \(=0\) must be an integer >= 1"),
        ({"bias": None}, r"bias \(=None\) must be true or false"),
    ],
    ids=["num_levels", "width", "kernel_size", "bias"],
)
def test_refuses_wrong_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture("unet", **options)
