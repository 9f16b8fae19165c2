import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.operators.gmconv import GMConv2d


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture("alexnet", num_classes=1000, **arguments)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_plain_count() -> None:
    assert count(build_on_meta()) == 61_100_840


@pytest.mark.parametrize(("share", "added"), [("layer", 5), ("out", 1_152), ("kernel", 250_048)])
def test_gmconv_counts(share: str, added: int) -> None:
    network = build_on_meta(operator="gmconv", operator_options={"share": share})
    masked = [m for m in network.modules() if isinstance(m, GMConv2d)]
    assert count(network) - 61_100_840 == added
    assert [m.kernel_size[0] for m in masked] == [11, 5, 3, 3, 3]
    assert sum(m.weight.numel() for m in masked) == 2_468_544


@pytest.mark.parametrize(("stage", "name"), list(enumerate([0, 3, 6, 8, 10])))
def test_every_convolution_is_a_stage(stage: int, name: int) -> None:
    network = build_on_meta(operator="gmconv", where=f"stage:{stage}")
    (found,) = [n for n, m in network.named_modules() if isinstance(m, GMConv2d)]
    assert found == f"features.{name}"


@pytest.mark.slow
def test_numbers_are_torchvisions() -> None:
    torch.manual_seed(5)
    expected = models.alexnet(num_classes=7).eval()
    torch.manual_seed(5)
    found = build_architecture("alexnet", num_classes=7).eval()
    x = torch.randn(1, 3, 63, 64)
    torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)


def test_smallest_input_trains() -> None:
    network = build_architecture("alexnet", operator="gmconv", in_channels=1, num_classes=2)
    y = network(torch.randn(2, 1, 63, 63))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters())


def test_smaller_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"input sides \(=\(63, 62\)\) must be >= 63: alexnet"):
        build_on_meta()(torch.empty(1, 3, 63, 62, device="meta"))


def test_dropout() -> None:
    network = build_on_meta(dropout=0.1)
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.1, 0.1]
    with pytest.raises(ValueError, match=r"dropout \(='half'\) must be a number"):
        build_on_meta(dropout="half")
