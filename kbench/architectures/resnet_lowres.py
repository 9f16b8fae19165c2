"""Residual networks of torchvision with stems for small images, under the papers' names."""

from kbench.architectures.residual_blocks import BasicBlock, Bottleneck
from kbench.architectures.resnet import Init, ResNet
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


class ResNetWithoutPooling(ResNet):
    """Torchvision's residual network, the stem a 3x3 with stride 1 and no pooling.

    This is the layout of GMConv, section 5.2, which says nothing about the start: `init` is torch's
    own by default, as in the public networks that it follows.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        init: As for `ResNet`.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        where: str = "all",
        init: Init = "default",
    ) -> None:
        super().__init__(conv, num_classes, in_channels, where=where, stem="cifar", init=init)


class LowresResNet(ResNet):
    """Torchvision's residual network, the stem a 3x3 with stride 1; the pooling stays.

    This is the layout and the start of LC, section 5.2.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        init: As for `ResNet`.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        where: str = "all",
        init: Init = "default",
    ) -> None:
        super().__init__(conv, num_classes, in_channels, where=where, stem="lowres", init=init)


@ARCHITECTURES.register("resnet18_cifar")
class ResNet18Cifar(ResNetWithoutPooling):
    """ResNet-18 for 32x32 images: torchvision's with a 3x3 stem and no pooling."""

    block = BasicBlock
    depths = (2, 2, 2, 2)


@ARCHITECTURES.register("resnet34_cifar")
class ResNet34Cifar(ResNetWithoutPooling):
    """ResNet-34 for 32x32 images: torchvision's with a 3x3 stem and no pooling."""

    block = BasicBlock
    depths = (3, 4, 6, 3)


@ARCHITECTURES.register("resnet50_cifar")
class ResNet50Cifar(ResNetWithoutPooling):
    """ResNet-50 for 32x32 images: torchvision's with a 3x3 stem and no pooling."""

    block = Bottleneck
    depths = (3, 4, 6, 3)


@ARCHITECTURES.register("lowres_resnet14")
class LowresResNet14(LowresResNet):
    """ResNet-14 of LC for 32x32 images: ResNet-18 without its last stage, 3x3 stem, pooling."""

    block = BasicBlock
    depths = (2, 2, 2)


@ARCHITECTURES.register("lowres_resnet18")
class LowresResNet18(LowresResNet):
    """ResNet-18 of LC for 32x32 images: torchvision's with a 3x3 stem of stride 1, pooling."""

    block = BasicBlock
    depths = (2, 2, 2, 2)


@ARCHITECTURES.register("lowres_resnet34")
class LowresResNet34(LowresResNet):
    """ResNet-34 of LC for 32x32 images: torchvision's with a 3x3 stem of stride 1, pooling."""

    block = BasicBlock
    depths = (3, 4, 6, 3)


@ARCHITECTURES.register("lowres_resnet50")
class LowresResNet50(LowresResNet):
    """ResNet-50 of LC for 32x32 images: torchvision's with a 3x3 stem of stride 1, pooling."""

    block = Bottleneck
    depths = (3, 4, 6, 3)


@ARCHITECTURES.register("lowres_resnet101")
class LowresResNet101(LowresResNet):
    """ResNet-101 of LC for 32x32 images: torchvision's with a 3x3 stem of stride 1, pooling."""

    block = Bottleneck
    depths = (3, 4, 23, 3)


@ARCHITECTURES.register("lowres_wide_resnet50_2")
class LowresWideResNet50(LowresResNet50):
    """Wide-ResNet-50-2 of LC for 32x32 images: 3x3 stem of stride 1, pooling."""

    base_width = 128
