import pytest
import torch
from torch import nn
from torchvision.models import resnet
from torchvision.ops import stochastic_depth

from kbench.architectures.residual_blocks import BasicBlock, Bottleneck, drop_branch


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("kind", "theirs", "sizes"),
    [
        (BasicBlock, resnet.BasicBlock, {}),
        (Bottleneck, resnet.Bottleneck, {}),
        (Bottleneck, resnet.Bottleneck, {"groups": 4, "base_width": 32}),
    ],
    ids=["basic", "bottleneck", "grouped"],
)
def test_blocks_are_torchvisions(
    kind: type[nn.Module], theirs: type[nn.Module], sizes: dict[str, int], stride: int
) -> None:
    shortcut = nn.Conv2d(6, 8 * kind.expansion, 1, stride)
    expected = theirs(6, 8, stride, shortcut, **sizes)
    found = kind(6, 8, stride, shortcut, **sizes)
    found.load_state_dict(expected.state_dict())
    x = torch.randn(2, 6, 9, 8)
    torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_block_without_shortcut_passes_its_input(kind: type[nn.Module]) -> None:
    block = kind(8 * kind.expansion, 8, 1, None).eval()
    nn.init.zeros_(block.last_norm.weight)
    x = torch.rand(2, 8 * kind.expansion, 5, 5)
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)


def test_dropped_branches_are_torchvisions_stochastic_depth() -> None:
    branch = torch.randn(16, 3, 2, 2)
    torch.manual_seed(3)
    expected = stochastic_depth(branch, 0.3, "row", training=True)
    torch.manual_seed(3)
    found = drop_branch(branch, 0.3, training=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert (found == 0).flatten(1).all(1).any()


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_blocks_drop_branches_in_training_alone(kind: type[nn.Module]) -> None:
    block = kind(8 * kind.expansion, 8, 1, None)
    block.drop_rate = 0.999
    nn.init.ones_(block.last_norm.bias)
    x = torch.rand(4, 8 * kind.expansion, 5, 5)
    torch.manual_seed(0)
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)
    assert not torch.equal(block.eval()(x), x)
