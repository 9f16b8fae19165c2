"""VGG-16 of torchvision, and its form for 32x32 images."""

from functools import partial

from torch import nn

from kbench.architectures.arguments import check_share
from kbench.architectures.finished import change_convolution, require_sides, start_as_torch
from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


@ARCHITECTURES.register("vgg16")
def vgg16(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-16 of torchvision, thirteen 3x3 convolutions with biases.

    Convolutions start from Kaiming's normal for fan out, linear layers from N(0, 0.01), biases from
    zero. Stage n of `where` is what lies in front of the pooling n, from 0; `not_stem` leaves out
    stage 0. Inputs have sides of at least 32 pixels.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the outputs of the first two linear layers that training sets to zero.

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing; by the network, if
            an input is too small.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    model = _plain(in_channels, num_classes, dropout, has_norm=False)
    replace_convolutions(model, conv, where, _stages(model))
    return model


@ARCHITECTURES.register("vgg16_bn")
def vgg16_bn(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-16 of torchvision with batch normalisation; as `vgg16` otherwise.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the outputs of the first two linear layers that training sets to zero.
    """
    model = _plain(in_channels, num_classes, dropout, has_norm=True)
    replace_convolutions(model, conv, where, _stages(model))
    return model


@ARCHITECTURES.register("vgg16_bn_cifar")
def vgg16_bn_cifar(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-16 of GMConv for 32x32 images: classifier of 512-4096-4096, batch normalisation.

    Larger inputs are averaged to one pixel in front of the classifier. The paper says nothing about
    the start, so every layer is as torch makes it (section 5.2); otherwise as `vgg16`.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the outputs of the first two linear layers that training sets to zero.
    """
    sizes = (in_channels, num_classes, dropout)
    model = start_as_torch(partial(_plain, *sizes, has_norm=True, side=1))
    replace_convolutions(model, conv, where, _stages(model))
    return model


def _plain(
    in_channels: int, num_classes: int, dropout: float, *, has_norm: bool, side: int = 7
) -> nn.Module:
    # Importing torchvision takes as long as importing torch.
    from torchvision.models.vgg import VGG, cfgs, make_layers

    check_share("dropout", dropout)
    features = make_layers(cfgs["D"], batch_norm=has_norm)
    model: nn.Module = VGG(features, num_classes, dropout=dropout)
    if side != 7:
        model.set_submodule("avgpool", nn.AdaptiveAvgPool2d(side))
        model.set_submodule("classifier.0", nn.Linear(512 * side**2, 4096))
    draw = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
    change_convolution(model, "features.0", draw, in_channels=in_channels)
    require_sides(model, 32, "vgg16 halves them five times")
    return model


def _stages(model: nn.Module) -> list[list[str]]:
    stages: list[list[str]] = [[]]
    for name, layer in model.get_submodule("features").named_children():
        stages[-1].append(f"features.{name}")
        if isinstance(layer, nn.MaxPool2d):
            stages.append([])
    return stages
