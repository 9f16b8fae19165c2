"""Facts of section 5 of the N-Jet specification about its small networks for MNIST."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kbench.architectures import build_architecture
from kbench.operators.conv import Conv2d
from kbench.registry import ARCHITECTURES


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def njet(order: int) -> dict[str, object]:
    return {"operator": "njet", "operator_options": {"order": order}}


@pytest.mark.parametrize(("side", "pool"), [(28, 2), (42, 3), (56, 4)])
def test_figure_6_has_as_many_parameters_at_every_size(side: int, pool: int) -> None:
    network = build_architecture("mnist_toy_pool", **njet(4), in_channels=1, side=side, pool=pool)
    assert count(network) == 31_643
    assert network(torch.zeros(2, 1, side, side)).shape == (2, 10)


def test_pool_is_the_printed_sequence_of_layers() -> None:
    network = build_architecture("mnist_toy_pool", in_channels=1, side=9, pool=2)
    expected = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 16, 10),
    )
    for mine, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    x = torch.randn(2, 1, 9, 9)
    torch.testing.assert_close(network(x), expected(x), rtol=0, atol=0)


@pytest.mark.parametrize("sides", [(27, 28), (56, 56)], ids=str)
def test_pool_names_the_sides_that_it_cannot_take(sides: tuple[int, int]) -> None:
    network = build_architecture("mnist_toy_pool", in_channels=1)
    expected = rf"input sides \(=\({sides[0]}, {sides[1]}\)\) must be side \(=28\)"
    with pytest.raises(ValueError, match=expected):
        network(torch.zeros(1, 1, *sides))


@pytest.mark.parametrize("num_layers", [1, 2, 4])
@pytest.mark.parametrize("kernel_size", [3, 5, 9, 11])
def test_stack_follows_the_formula(num_layers: int, kernel_size: int) -> None:
    sizes = {"num_layers": num_layers, "kernel_size": kernel_size}
    taps, hidden = kernel_size**2, num_layers - 1
    expected = 32 * taps + 32 + hidden * (32**2 * taps + 32) + 330
    plain = build_architecture("mnist_toy_stack", in_channels=1, **sizes)
    assert count(plain) == expected
    # The window does not follow the kernel; normalisation has two numbers a channel.
    learned = build_architecture("mnist_toy_stack", **njet(3), in_channels=1, norm=True, **sizes)
    assert count(learned) == 10 * (32 + hidden * 32**2) + num_layers * (1 + 64) + 330


@pytest.mark.parametrize("dilation", [1, 2])
def test_stack_is_the_printed_sequence_of_layers(dilation: int) -> None:
    network = build_architecture("mnist_toy_stack", in_channels=1, kernel_size=5, dilation=dilation)
    x = torch.randn(2, 1, 12, 12)
    y = x
    for layer in (network.layers[0], network.layers[2]):
        y = F.relu(F.conv2d(y, layer.weight, layer.bias, 1, 2 * dilation, dilation))
    y = F.max_pool2d(y, 12).flatten(1)
    expected = F.linear(y, network.classifier.weight, network.classifier.bias)
    torch.testing.assert_close(network(x), expected, rtol=0, atol=0)


def test_operators_are_made_in_the_order_of_execution() -> None:
    made, run = [], []

    def conv(*arguments: int, **options: object) -> nn.Module:
        made.append(Conv2d(*arguments, **options))
        made[-1].register_forward_hook(lambda module, *_: run.append(module))
        return made[-1]

    network = ARCHITECTURES["mnist_toy_stack"](conv, 10, 1, num_layers=4, norm=True)
    network(torch.randn(2, 1, 4, 4))
    assert [id(module) for module in run] == [id(module) for module in made]
    assert len(made) == 4


@pytest.mark.parametrize("operator", ["conv", "lc", "njet"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("mnist_toy_pool", {"side": 1, "pool": 1}), ("mnist_toy_stack", {"norm": True})],
    ids=["pool", "stack"],
)
def test_one_pixel_is_enough(name: str, options: dict[str, object], operator: str) -> None:
    network = build_architecture(name, operator=operator, num_classes=7, **options)
    logits = network(torch.randn(4, 3, 1, 1))
    logits.square().sum().backward()
    assert logits.shape == (4, 7)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["mnist_toy_pool", "mnist_toy_stack"])
def test_meta_device_maps_shapes(name: str) -> None:
    with torch.device("meta"):
        network = build_architecture(name, **njet(4), in_channels=1)
        assert network(torch.empty(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("pool", {"pool": 0}, r"pool \(=0\) must be an integer >= 1"),
        ("pool", {"side": 3, "pool": 4}, r"side \(=3\) must be an integer >= 4"),
        ("pool", {"width": 0}, r"width \(=0\) must be an integer >= 1"),
        ("pool", {"kernel_size": 2}, r"kernel_size \(=2\) must be odd"),
        ("stack", {"num_layers": 0}, r"num_layers \(=0\) must be an integer >= 1"),
        ("stack", {"width": 1.0}, r"width \(=1.0\) must be an integer >= 1"),
        ("stack", {"dilation": 0}, r"dilation \(=0\) must be an integer >= 1"),
        ("stack", {"kernel_size": 4}, r"kernel_size \(=4\) must be odd"),
        ("stack", {"norm": 1}, r"norm \(=1\) must be true or false"),
    ],
    ids=str,
)
def test_refuses_wrong_options(name: str, options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture(f"mnist_toy_{name}", **options)
