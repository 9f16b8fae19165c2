"""Residual networks of bottleneck blocks for 32x32 images, as the paper of N-Jet has them.

He et al., arXiv 1512.03385, sections 4.1 (bottleneck) and 4.2 (three stages).

Shapes: B batch, C channels, H and W height and width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_count, check_same_sides
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

EXPANSION = 4


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolution, each normalised, beside a shortcut.

    Args:
        conv: Makes the 3x3 convolution.
        in_channels: Channels of the input.
        width: Channels of the 3x3 convolution; the output has four times as many.
        stride: Stride of the 3x3 convolution and of the shortcut.
        is_first: Whether the shortcut is a 1x1 convolution with normalisation.
    """

    def __init__(
        self, conv: ConvFactory, in_channels: int, width: int, stride: int, *, is_first: bool
    ) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if is_first:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W').

        Raises:
            UnsupportedError: If the operator changes sides that have to stay.
        """
        out = F.relu(self.norm1(self.conv1(x)))
        out = F.relu(self.norm2(self.conv2(out)))
        out = self.norm3(self.conv3(out))
        shortcut = self.shortcut(x)
        check_same_sides(out, shortcut)
        return F.relu(out + shortcut)


@ARCHITECTURES.register("resnet110_bottleneck_cifar")
class BottleneckCifarResNet(nn.Module):
    """Stem, three stages of bottleneck blocks of W, 2W and 4W channels, mean, classifier.

    The paper of N-Jet calls it ResNet-110, with bottlenecks of expansion 4, and prints 6.90, 7.29
    and 5.74 million parameters; its layout is unknown. The defaults (18 blocks a stage, which is
    how 110 follows from basic blocks, W = 32) have as many spatial weights and 0.14 million fewer
    others. 8 blocks a stage with W = 48 have all three counts, in 74 layers.

    `conv` makes the stem and the 3x3 convolution of each block, in the order of execution; 1x1
    convolutions stay plain. No convolution has a bias. Every layer is initialised as it is made;
    the paper says nothing else.

    Args:
        conv: Makes the 3x3 convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        num_blocks: Blocks of each stage, >= 1.
        width: W, >= 1.
        stem_width: Channels of the stem, >= 1; None is W.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes)

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        num_blocks: int = 18,
        width: int = 32,
        stem_width: int | None = None,
    ) -> None:
        super().__init__()
        check_count("num_blocks", num_blocks)
        check_count("width", width)
        channels = width if stem_width is None else stem_width
        check_count("stem_width", channels)
        self.stem = conv(in_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        blocks: list[nn.Module] = []
        for stage in range(3):
            inner = width * 2**stage
            for index in range(num_blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(BottleneckBlock(conv, channels, inner, stride, is_first=index == 0))
                channels = EXPANSION * inner
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        x = F.relu(self.norm(self.stem(x)))
        return self.classifier(self.blocks(x).mean((2, 3)))
