import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.operators.gmconv import GMConv2d

NAMES = ["mobilenet_v3_small", "mobilenet_v3_large"]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def build_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, num_classes=1000, **arguments)


@pytest.mark.parametrize(
    ("name", "total", "num_convs", "num_converted"),
    [("mobilenet_v3_large", 5_483_032, 62, 16), ("mobilenet_v3_small", 2_542_856, 52, 12)],
)
def test_plain_counts(name: str, total: int, num_convs: int, num_converted: int) -> None:
    network = build_on_meta(name)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert count(network) == total
    assert len(convs) == num_convs
    assert sum(type(m) is not nn.Conv2d for m in convs) == num_converted


@pytest.mark.parametrize(("share", "added"), [("layer", 16), ("out", 5_032), ("kernel", 5_064)])
def test_gmconv_counts(share: str, added: int) -> None:
    network = build_on_meta(
        "mobilenet_v3_large", operator="gmconv", operator_options={"share": share}
    )
    assert count(network) - 5_483_032 == added


def test_large_has_nine_small_and_six_large_depthwise_kernels() -> None:
    network = build_on_meta("mobilenet_v3_large", operator="gmconv", where="depthwise")
    sides = [m.kernel_size[0] for m in network.modules() if isinstance(m, GMConv2d)]
    assert (sides.count(3), sides.count(5)) == (9, 6)


@pytest.mark.parametrize(("name", "num_blocks"), [(NAMES[0], 11), (NAMES[1], 15)])
def test_stages_are_the_blocks(name: str, num_blocks: int) -> None:
    network = build_on_meta(name, operator="gmconv", where=f"stage:{num_blocks}")
    (found,) = [n for n, m in network.named_modules() if isinstance(m, GMConv2d)]
    assert found == f"features.{num_blocks}.block.1.0"
    with pytest.raises(ValueError, match=f"no convolution in stage {num_blocks + 1}"):
        build_on_meta(name, where=f"stage:{num_blocks + 1}")


def test_numbers_are_torchvisions() -> None:
    torch.manual_seed(5)
    expected = models.mobilenet_v3_small(num_classes=7).eval()
    torch.manual_seed(5)
    found = build_architecture("mobilenet_v3_small", num_classes=7).eval()
    torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)


@pytest.mark.parametrize("operator", ["conv", "lc"])
@pytest.mark.parametrize("name", NAMES)
def test_smallest_input_trains(name: str, operator: str) -> None:
    network = build_architecture(name, operator=operator, in_channels=1, num_classes=2)
    y = network(torch.randn(2, 1, 1, 1))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_refuses_wrong_dropout() -> None:
    with pytest.raises(ValueError, match=r"dropout \(=-0.1\) must be a number >= 0 and < 1"):
        build_on_meta("mobilenet_v3_small", dropout=-0.1)
