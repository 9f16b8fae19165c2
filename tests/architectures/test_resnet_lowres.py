import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture


def count(module: nn.Module, *, learnable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not learnable)


def build_on_meta(name: str, classes: int, operator: str = "conv", **options: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(
            name, num_classes=classes, operator=operator, operator_options=options
        )


@pytest.mark.parametrize(
    ("name", "total", "frozen", "learnable"),
    [
        ("lowres_resnet14", 2_777_674, 2_729_664, 48_010),
        ("lowres_resnet18", 11_173_962, 10_987_200, 186_762),
        ("lowres_resnet50", 23_520_842, 11_318_976, 12_201_866),
        ("lowres_resnet101", 42_512_970, 21_345_984, 21_166_986),
    ],
)
def test_lc_counts(name: str, total: int, frozen: int, learnable: int) -> None:
    network = build_on_meta(name, 10, frozen=True)
    assert count(network) == total
    assert count(network, learnable=True) == learnable == total - frozen


@pytest.mark.parametrize(
    ("lowres", "imagenet"),
    [("lowres_resnet34", "resnet34"), ("lowres_wide_resnet50_2", "wide_resnet50_2")],
)
def test_other_lowres_counts_differ_by_the_stem(lowres: str, imagenet: str) -> None:
    difference = count(build_on_meta(imagenet, 10)) - count(build_on_meta(lowres, 10))
    assert difference == 64 * 3 * (7 * 7 - 3 * 3)


@pytest.mark.parametrize(
    ("name", "total", "num_convs", "added"),
    [
        ("resnet18_cifar", 11_220_132, 20, (17, 3_904, 1_220_800)),
        ("resnet50_cifar", 23_705_252, 53, (17, 3_840, 1_257_664)),
    ],
)
def test_gmconv_counts(name: str, total: int, num_convs: int, added: tuple[int, int, int]) -> None:
    plain = build_on_meta(name, 100)
    assert count(plain) == total
    assert sum(isinstance(m, nn.Conv2d) for m in plain.modules()) == num_convs
    for share, number in zip(("layer", "out", "kernel"), added, strict=True):
        assert count(build_on_meta(name, 100, "gmconv", share=share)) - total == number


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18_cifar", [32, 16, 8, 4]),
        ("resnet34_cifar", [32, 16, 8, 4]),
        ("lowres_resnet18", [16, 8, 4, 2]),
        ("lowres_resnet14", [16, 8, 4]),
    ],
)
def test_sides_of_the_stages(name: str, expected: list[int]) -> None:
    network = build_on_meta(name, 10)
    sides = []
    for stage in (child for key, child in network.named_children() if key.startswith("layer")):
        stage.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)
    assert sides == expected


@pytest.mark.parametrize("name", ["resnet18_cifar", "lowres_resnet18"])
def test_start_is_torchs_unless_told(name: str) -> None:
    default, kaiming = (
        build_architecture(name, **options).layer1[0].conv1.weight.std().item()
        for options in ({}, {"init": "kaiming"})
    )
    # 36,864 numbers: four standard errors are 1.5 %; a uniform number's deviation is 1 / sqrt(3).
    assert default == pytest.approx((3 * 576) ** -0.5, rel=0.015)
    assert kaiming == pytest.approx((2 / 576) ** 0.5, rel=0.015)


@pytest.mark.parametrize("operator", ["conv", "lc"])
@pytest.mark.parametrize("name", ["resnet18_cifar", "lowres_resnet14"])
def test_smallest_input_trains(name: str, operator: str) -> None:
    network = build_architecture(name, operator=operator, in_channels=1, num_classes=2)
    y = network(torch.randn(2, 1, 1, 1))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
