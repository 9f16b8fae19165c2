"""MobileNetV3 of torchvision."""

from collections.abc import Callable
from functools import partial

from torch import nn

from kbench.architectures.arguments import check_share
from kbench.architectures.finished import change_convolution
from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


@ARCHITECTURES.register("mobilenet_v3_small")
def mobilenet_v3_small(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.2,
) -> nn.Module:
    """MobileNetV3-small of torchvision, width 1.

    Convolutions start from Kaiming's normal for fan out, classifiers from N(0, 0.01). Stage 0 of
    `where` is the stem, stages 1 to 11 are the blocks.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the features in front of the classifier that training sets to zero.

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    from torchvision.models import mobilenet_v3_small as build

    return _exchanged(conv, num_classes, in_channels, build, where, dropout)


@ARCHITECTURES.register("mobilenet_v3_large")
def mobilenet_v3_large(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.2,
) -> nn.Module:
    """MobileNetV3-large of torchvision, width 1.

    As `mobilenet_v3_small`; stages 1 to 15 of `where` are the blocks.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the features in front of the classifier that training sets to zero.
    """
    from torchvision.models import mobilenet_v3_large as build

    return _exchanged(conv, num_classes, in_channels, build, where, dropout)


def _exchanged(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    build: Callable[..., nn.Module],
    where: str,
    dropout: float,
) -> nn.Module:
    check_share("dropout", dropout)
    model = build(weights=None, num_classes=num_classes, dropout=dropout)
    draw = partial(nn.init.kaiming_normal_, mode="fan_out")
    change_convolution(model, "features.0.0", draw, in_channels=in_channels)
    features = model.get_submodule("features")
    num_layers = sum(1 for _ in features.children())
    # The last layer is a 1x1 convolution behind the blocks.
    replace_convolutions(model, conv, where, [(f"features.{n}",) for n in range(num_layers - 1)])
    return model
