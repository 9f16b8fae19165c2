"""CIFAR ResNets whose convolutions keep a bias and may be as large as their input.

The networks of FlexConv's Table 6, "CIFARResNet-44 w/ FlexConv" (arXiv 2110.08059). Their code is
not published; see `BiasedResNet` for what is ours.
"""

from dataclasses import dataclass

from torch import nn

from kbench.architectures.arguments import AdaptiveSize, check_flag
from kbench.architectures.cifar_resnet import CifarResNet, Init, Shortcut
from kbench.operators import ConvFactory
from kbench.operators.geometry import Padding, Size
from kbench.registry import ARCHITECTURES


@dataclass(frozen=True)
class SizedFactory:
    """`ConvFactory` with its own kernel size and bias; outputs have ceil(N / stride) pixels a side.

    Attributes:
        conv: Makes the convolutions.
        kernel_size: An odd side, or a word that the operator understands.
        bias: Whether the convolutions have one.
    """

    conv: ConvFactory
    kernel_size: int | str
    bias: bool

    def __call__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size | str,
        *,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        dims: int = 2,
    ) -> nn.Module:
        """Return a convolution with the other arguments as they are given."""
        del kernel_size, padding, bias
        size = self.kernel_size
        return self.conv(
            in_channels,
            out_channels,
            size,
            stride=stride,
            padding="same" if isinstance(size, str) else size // 2,
            dilation=dilation,
            groups=groups,
            bias=self.bias,
            dims=dims,
        )


class BiasedResNet(CifarResNet):
    """`CifarResNet` whose convolutions have a bias and a size that may follow their input.

    Stem and blocks are made by `conv` as there. Where the shape changes, the caption of Table 6
    says that the shortcut is a pointwise convolution; ours has stride 2, no bias and a
    normalisation, and the operator's stride takes every second output. `kernel_size='same'` is the
    side of the input of each layer, hence one size a stage (the strided layer has that of its own
    input). The maximum size and the treatment of strides are not published.

    Args:
        conv: Makes the convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        width: Channels of the stem and the first stage, >= 1.
        kernel_size: Side of the kernels, odd, or `same` (the side of the layer's first input) or
            `full` for operators that know it.
        shortcut: As for `CifarResNet`; `pad` is option A, which prints as the same size.
        init: As for `CifarResNet`; the paper's code draws weights from Kaiming's normal.
        bias: Whether the convolutions that `conv` makes have one.

    Raises:
        ValueError: If an argument is out of range, or the operator does not know `kernel_size`.
    """

    depth = 8

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        width: int = 16,
        kernel_size: int | AdaptiveSize = "same",
        shortcut: Shortcut = "conv",
        init: Init = "kaiming",
        bias: bool = True,
    ) -> None:
        check_flag("bias", bias)
        sized = SizedFactory(conv, kernel_size, bias)
        side = 3 if isinstance(kernel_size, str) else kernel_size
        super().__init__(
            sized,
            num_classes,
            in_channels,
            width=width,
            kernel_size=side,
            shortcut=shortcut,
            init=init,
        )


@ARCHITECTURES.register("resnet32_cifar_biased")
class BiasedResNet32(BiasedResNet):
    """ResNet-32 for 32x32 images, with biases and kernels of any size."""

    depth = 32


@ARCHITECTURES.register("resnet44_cifar_biased")
class BiasedResNet44(BiasedResNet):
    """ResNet-44 for 32x32 images, with biases and kernels of any size."""

    depth = 44
