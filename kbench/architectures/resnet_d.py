"""Residual networks "D" of He et al., arXiv 1812.01187, as timm defines them.

Names of modules and outputs are those of timm's `resnet18d` and `resnet50d`.
"""

from torch import nn

from kbench.architectures.residual_blocks import BasicBlock, Bottleneck
from kbench.architectures.resnet import ResNet, Stem
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


class ResNetD(ResNet):
    """Residual network with a stem of three 3x3 convolutions and pooling in the shortcuts.

    The stem has 32, 32 and 64 channels and stride 2 in the first; a shortcut with a stride is the
    mean of 2x2 pixels, then 1x1 and normalisation (LC, section 5.3). All three convolutions of the
    stem are stage 0. Convolutions start from Kaiming's normal for fan out, the classifier as
    torch makes it (LC, section 2.3).

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        zero_init_residual: Whether the last normalisation of each block starts with weight 0.
        drop_path: As in `ResNet`.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        where: str = "all",
        zero_init_residual: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(
            conv,
            num_classes,
            in_channels,
            where=where,
            zero_init_residual=zero_init_residual,
            drop_path=drop_path,
        )

    def make_stem(self, in_channels: int, stem: Stem) -> nn.Module:
        """Return what maps the image to 64 channels; `stem` is always `imagenet`."""
        del stem
        return nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, 1, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, 1, 1, bias=False),
        )

    def make_shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Return what passes a change of shape: pooling, 1x1 and normalisation."""
        pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
        return nn.Sequential(
            nn.Identity() if stride == 1 else pool,
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )


@ARCHITECTURES.register("resnet18d")
class ResNet18D(ResNetD):
    """ResNet-18-D of timm, 2-2-2-2 basic blocks, stem of three 3x3, pooled shortcuts."""

    block = BasicBlock
    depths = (2, 2, 2, 2)


@ARCHITECTURES.register("resnet50d")
class ResNet50D(ResNetD):
    """ResNet-50-D of timm, 3-4-6-3 bottlenecks, stem of three 3x3, pooled shortcuts."""

    block = Bottleneck
    depths = (3, 4, 6, 3)
