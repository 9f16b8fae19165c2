import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.operators.gmconv import GMConv2d

NAMES = ["vgg16", "vgg16_bn", "vgg16_bn_cifar"]


def build_on_meta(name: str, classes: int = 1000, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, num_classes=classes, **arguments)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "classes", "total"),
    [
        ("vgg16", 1000, 138_357_544),
        ("vgg16_bn", 1000, 138_365_992),
        ("vgg16_bn_cifar", 100, 34_015_396),
    ],
)
def test_counts(name: str, classes: int, total: int) -> None:
    assert count(build_on_meta(name, classes)) == total
    for share, added in (("layer", 13), ("out", 4_224), ("kernel", 1_634_496)):
        options = {"share": share}
        network = build_on_meta(name, classes, operator="gmconv", operator_options=options)
        assert count(network) - total == added


@pytest.mark.parametrize("name", NAMES)
def test_stages_end_with_the_poolings(name: str) -> None:
    found = []
    for stage in range(5):
        network = build_on_meta(name, operator="gmconv", where=f"stage:{stage}")
        found.append([m.out_channels for m in network.modules() if isinstance(m, GMConv2d)])
    assert found == [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]
    with pytest.raises(ValueError, match=r"stage 5; stages: \[0, 1, 2, 3, 4\]"):
        build_on_meta(name, where="stage:5")


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_layout_is_torchvisions(name: str) -> None:
    with torch.device("meta"):
        expected = getattr(models, name)().state_dict()
    found = build_on_meta(name).state_dict()
    assert [(k, v.shape) for k, v in found.items()] == [(k, v.shape) for k, v in expected.items()]


@pytest.mark.parametrize("name", NAMES)
def test_smallest_input(name: str) -> None:
    network = build_on_meta(name)
    assert network(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1000)
    with pytest.raises(ValueError, match=r"input sides \(=\(31, 32\)\) must be >= 32: vgg16"):
        network(torch.empty(1, 3, 31, 32, device="meta"))


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["conv", "lc"])
def test_smallest_input_trains(operator: str) -> None:
    network = build_architecture("vgg16_bn_cifar", operator=operator, in_channels=1, num_classes=2)
    y = network(torch.randn(2, 1, 32, 32))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.slow
def test_smallest_input_trains_without_normalisation() -> None:
    network = build_architecture("vgg16", operator="gmconv", num_classes=2)
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_cifar_form_averages_larger_inputs_to_one_pixel() -> None:
    network = build_on_meta("vgg16_bn_cifar", 100)
    sizes = [m.in_features for m in network.modules() if isinstance(m, nn.Linear)]
    assert sizes == [512, 4096, 4096]
    assert network(torch.empty(2, 3, 64, 96, device="meta")).shape == (2, 100)


def test_cifar_form_starts_as_torch_makes_it() -> None:
    layer = build_architecture("vgg16_bn_cifar").features[3]
    bound = layer.weight[0].numel() ** -0.5
    assert 0.99 * bound < layer.weight.abs().max().item() <= bound
    assert 0 < layer.bias.abs().max().item() <= bound


def test_dropout() -> None:
    network = build_on_meta("vgg16_bn_cifar", 10, dropout=0.0)
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0, 0]
    with pytest.raises(ValueError, match=r"dropout \(=2\) must be a number >= 0 and < 1"):
        build_on_meta("vgg16", dropout=2)
