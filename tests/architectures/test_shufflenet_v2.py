import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.operators.gmconv import GMConv2d

NAME = "shufflenet_v2_x1_0"


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(NAME, num_classes=1000, **arguments)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_plain_count() -> None:
    network = build_on_meta()
    assert count(network) == 2_278_604
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 56


@pytest.mark.parametrize(
    # Section 2.5 for the stem of 24 and the depthwise convolutions: 24 and 58, 116 and 116, 232 and
    # 232 in the blocks that halve, and one a block behind them.
    ("share", "added"),
    [
        ("layer", 20),
        ("out", 24 + 24 + 58 * 4 + 116 + 116 * 8 + 232 + 232 * 4),
        ("kernel", 72 + 24 + 58 * 4 + 116 + 116 * 8 + 232 + 232 * 4),
    ],
)
def test_gmconv_counts(share: str, added: int) -> None:
    network = build_on_meta(operator="gmconv", operator_options={"share": share})
    assert count(network) - 2_278_604 == added


@pytest.mark.parametrize(("stage", "number"), list(enumerate([1, 5, 9, 5])))
def test_stages(stage: int, number: int) -> None:
    network = build_on_meta(operator="gmconv", where=f"stage:{stage}")
    assert sum(isinstance(m, GMConv2d) for m in network.modules()) == number


def test_numbers_are_torchvisions() -> None:
    torch.manual_seed(5)
    expected = models.shufflenet_v2_x1_0(num_classes=7).eval()
    torch.manual_seed(5)
    found = build_architecture(NAME, num_classes=7).eval()
    torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)


@pytest.mark.parametrize("operator", ["conv", "lc"])
def test_smallest_input_trains(operator: str) -> None:
    network = build_architecture(NAME, operator=operator, in_channels=1, num_classes=2)
    y = network(torch.randn(2, 1, 1, 1))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
