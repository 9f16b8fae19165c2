from itertools import pairwise

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture

WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def test_count_follows_from_the_layout() -> None:
    with torch.device("meta"):
        network = build_architecture("mobilenet_v1_cifar", num_classes=100)
    stem = 27 * 32 + 2 * 32
    # 3x3 without and 1x1 with bias, a normalisation of two numbers a channel behind each.
    blocks = sum(9 * i + 2 * i + i * o + o + 2 * o for i, o in pairwise(WIDTHS))
    assert sum(p.numel() for p in network.parameters()) == stem + blocks + 1024 * 100 + 100


def test_stem_and_depthwise_convolutions_are_replaced() -> None:
    with torch.device("meta"):
        network = build_architecture("mobilenet_v1_cifar", operator="gmconv")
    modules = [m for m in network.modules() if type(m).__name__ == "GMConv2d"]
    assert [m.groups for m in modules] == [1, *WIDTHS[:-1]]


def test_four_blocks_halve_the_sides() -> None:
    with torch.device("meta"):
        network = build_architecture("mobilenet_v1_cifar")
        sides = []
        for layer in network.features:
            layer.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
        network(torch.empty(1, 3, 32, 32))
    assert sides == [32, 32, 16, 16, 8, 8, *[4] * 6, 2, 2]


@pytest.mark.parametrize("operator", ["conv", "lc"])
def test_smallest_input_trains(operator: str) -> None:
    network = build_architecture(
        "mobilenet_v1_cifar", operator=operator, in_channels=1, num_classes=2
    )
    y = network(torch.randn(2, 1, 1, 1))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_stages_are_the_blocks() -> None:
    with torch.device("meta"):
        network = build_architecture("mobilenet_v1_cifar", operator="lc", where="stage:13")
    replaced = [n for n, m in network.named_modules() if type(m).__name__ == "LC2d"]
    assert replaced == ["features.13.0"]
    assert type(network.features[0][0]) is nn.Conv2d
