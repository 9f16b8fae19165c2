import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.operators.niff import NIFF2d

SMALL = {"blocks": "2-2", "growth_rate": 8}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def build_on_meta(name: str, classes: int = 1000, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, num_classes=classes, **arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "classes", "total"),
    [("densenet121", 1000, 7_978_856), ("densenet121_cifar", 100, 7_048_548)],
)
def test_plain_counts(name: str, classes: int, total: int) -> None:
    network = build_on_meta(name, classes)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert count(network) == total
    assert len(convs) == 120
    assert sum(type(m) is not nn.Conv2d for m in convs) == 59


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "share", "added"),
    [
        ("densenet121_cifar", "layer", 59),
        ("densenet121_cifar", "out", 1_920),
        ("densenet121_cifar", "kernel", 237_760),
        # Section 2.5: one a layer, one an output channel (64 + 58 * 32).
        ("densenet121", "out", 64 + 58 * 32),
    ],
)
def test_gmconv_counts(name: str, share: str, added: int) -> None:
    arguments = {"operator": "gmconv", "operator_options": {"share": share}}
    network, plain = build_on_meta(name, 100, **arguments), build_on_meta(name, 100)
    assert count(network) - count(plain) == added


@pytest.mark.slow
@pytest.mark.parametrize(("form", "total"), [("split", 6_159_512), ("full", 10_119_752)])
def test_niff_counts(form: str, total: int) -> None:
    options = {"form": form, "init": "kaiming_fan_in"}
    network = build_on_meta("densenet121", operator="niff", operator_options=options, where="niff")
    modules = [m for m in network.modules() if isinstance(m, NIFF2d)]
    assert count(network) == total
    assert [sum(m.form == kind for m in modules) for kind in (form, "pointwise")] == [58, 61]


def test_numbers_are_torchvisions() -> None:
    torch.manual_seed(5)
    expected = models.DenseNet(8, (2, 2), num_classes=7)
    torch.manual_seed(5)
    found = build_architecture("densenet121", num_classes=7, **SMALL)
    torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
    x = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "sides"),
    [
        ("densenet121", {}, [16, 8, 4, 2]),
        ("densenet121", {"stem": "cifar"}, [64, 32, 16, 8]),
        ("densenet121_cifar", {}, [64, 32, 16, 8]),
    ],
    ids=["imagenet", "cifar", "densenet121_cifar"],
)
def test_sides_of_the_blocks(name: str, options: dict[str, str], sides: list[int]) -> None:
    network = build_on_meta(name, 10, **options)
    found = []
    for number in (1, 2, 3, 4):
        block = network.get_submodule(f"features.denseblock{number}")
        block.register_forward_hook(lambda _, __, y: found.append(y.shape[-1]))
    assert network(torch.empty(1, 3, 64, 64, device="meta")).shape == (1, 10)
    assert found == sides


def test_cifar_form_has_no_stem_normalisation_and_linear_transitions() -> None:
    network = build_on_meta("densenet121_cifar", 10)
    features = network.features
    identities = [features.norm0, features.relu0, features.pool0]
    identities += [features.get_submodule(f"transition{n}.relu") for n in (1, 2, 3)]
    assert all(type(layer) is nn.Identity for layer in identities)
    assert type(features.denseblock1.denselayer1.relu1) is nn.ReLU


def test_stages_are_the_blocks() -> None:
    for stage in range(3):
        network = build_on_meta(
            "densenet121", 10, operator="gmconv", where=f"stage:{stage}", **SMALL
        )
        names = [n for n, m in network.named_modules() if type(m).__name__ == "GMConv2d"]
        expected = "features.conv0" if stage == 0 else f"features.denseblock{stage}"
        assert all(name.startswith(expected) for name in names)
        assert len(names) == (1 if stage == 0 else 2)


@pytest.mark.parametrize("operator", ["conv", "lc"])
@pytest.mark.parametrize(
    ("stem", "blocks", "least"),
    [("imagenet", "2-2", 5), ("cifar", "2-2", 2), ("imagenet", "1-1-1-1", 29)],
)
def test_smallest_input_trains(operator: str, stem: str, blocks: str, least: int) -> None:
    options = {"stem": stem, "blocks": blocks, "growth_rate": 4}
    network = build_architecture(
        "densenet121", operator=operator, in_channels=1, num_classes=2, **options
    )
    y = network(torch.randn(2, 1, least, least))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    with pytest.raises(ValueError, match=rf"input sides .* must be >= {least}: densenet121 has"):
        network(torch.randn(2, 1, least, least - 1))


def test_smallest_input_of_the_cifar_form() -> None:
    network = build_on_meta("densenet121_cifar", 10)
    assert network(torch.empty(2, 3, 8, 8, device="meta")).shape == (2, 10)
    with pytest.raises(ValueError, match=r"input sides \(=\(8, 7\)\) must be >= 8"):
        network(torch.empty(1, 3, 8, 7, device="meta"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"blocks": ""}, r"blocks \(=''\) must be integers >= 1 joined by '-'"),
        ({"blocks": "6-0"}, r"blocks \(='6-0'\) must be integers"),
        ({"blocks": "6,12"}, r"blocks \(='6,12'\) must be integers"),
        ({"growth_rate": 0}, r"growth_rate \(=0\) must be an integer >= 1"),
        ({"stem": "lowres"}, r"stem \(='lowres'\) must be one of \['imagenet', 'cifar'\]"),
        ({"where": "stage:5"}, r"no convolution in stage 5; stages: \[0, 1, 2, 3, 4\]"),
    ],
    ids=["empty", "zero", "commas", "growth", "stem", "stage"],
)
def test_refuses_wrong_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_on_meta("densenet121", **options)
