"""Densely connected networks of torchvision, and their form for 32x32 images."""

from functools import partial
from typing import Literal

from torch import nn

from kbench.architectures.arguments import check_choice, check_count
from kbench.architectures.finished import change_convolution, require_sides, start_as_torch
from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Stem = Literal["imagenet", "cifar"]


@ARCHITECTURES.register("densenet121")
def densenet121(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    stem: Stem = "imagenet",
    blocks: str = "6-12-24-16",
    growth_rate: int = 32,
) -> nn.Module:
    """DenseNet-121 of torchvision, blocks of 6, 12, 24 and 16 layers.

    Convolutions have no bias; they start from Kaiming's normal for fan in, as torchvision's and the
    code of NIFF. Stage 0 of `where` is the stem, stage n the block n and the transition behind it.
    NIFF's placement is `where='niff'`.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        stem: `imagenet` is 7x7 with stride 2 and a maximum pooling with stride 2; `cifar` is 3x3
            with stride 1 and no pooling (NIFF, section 5).
        blocks: Layers of each block, joined by `-`.
        growth_rate: Channels that a layer adds.

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing; by the network, if
            an input is too small.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    check_choice("stem", stem, Stem)
    check_count("growth_rate", growth_rate)
    depths = _depths(blocks)
    model = _plain(in_channels, num_classes, growth_rate, depths, stem)
    replace_convolutions(model, conv, where, _stages(len(depths)))
    return model


@ARCHITECTURES.register("densenet121_cifar")
def densenet121_cifar(
    conv: ConvFactory, num_classes: int, in_channels: int, *, where: str = "all"
) -> nn.Module:
    """DenseNet-121 of GMConv for 32x32 images, 3x3 stem without normalisation.

    Different from torchvision's beside the stem: transitions have no ReLU (section 5.2). The paper
    says nothing about the start, so every layer is as torch makes it. Inputs have sides of at
    least 8 pixels.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
    """
    depths = (6, 12, 24, 16)
    model = start_as_torch(partial(_plain, in_channels, num_classes, 32, depths, "cifar"))
    for name in ("norm0", "relu0", *(f"transition{number}.relu" for number in (1, 2, 3))):
        model.set_submodule(f"features.{name}", nn.Identity())
    replace_convolutions(model, conv, where, _stages(4))
    return model


def _plain(
    in_channels: int, num_classes: int, growth_rate: int, depths: tuple[int, ...], stem: Stem
) -> nn.Module:
    # Importing torchvision takes as long as importing torch.
    from torchvision.models import DenseNet

    model: nn.Module = DenseNet(growth_rate, depths, num_classes=num_classes)
    changes = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1)}
    changes = changes if stem == "cifar" else {}
    draw = nn.init.kaiming_normal_
    change_convolution(model, "features.conv0", draw, in_channels=in_channels, **changes)
    # The stem of 7x7 divides a side by 4 and rounds up, each transition by 2 and rounds down.
    least = 2 ** (len(depths) - 1)
    if stem == "cifar":
        model.set_submodule("features.pool0", nn.Identity())
    else:
        least = 4 * (least - 1) + 1
    require_sides(model, least, f"densenet121 has {len(depths) - 1} transitions that halve them")
    return model


def _stages(num_blocks: int) -> list[tuple[str, ...]]:
    numbers = range(1, num_blocks + 1)
    blocks = [(f"features.denseblock{n}", f"features.transition{n}") for n in numbers]
    return [("features.conv0",), *blocks]


def _depths(blocks: str) -> tuple[int, ...]:
    parts = str(blocks).split("-")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        message = f"blocks (={blocks!r}) must be integers >= 1 joined by '-', such as '6-12-24-16'"
        raise ValueError(message)
    return tuple(map(int, parts))
