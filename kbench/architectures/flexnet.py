"""FlexNet: residual networks of large kernels without stride or pooling.

FlexConv, arXiv 2110.08059, Tables 3 to 10 and its code. Names count residual blocks, as the code
and Tables 6 to 8 do: `flexnet7` is FlexNet-16 of Table 3, which counts layers.

Shapes: B batch, C channels, H and W height and width.
"""

from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import (
    AdaptiveSize,
    check_axes,
    check_count,
    check_flag,
    check_same_sides,
    check_share,
)
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


class FlexNetBlock(nn.Module):
    """Two convolutions beside a shortcut, with dropout between them.

    Args:
        conv: Makes the two convolutions.
        in_channels: Channels of the input.
        out_channels: Channels of the output; where they differ the shortcut is a 1x1 convolution
            with bias, without normalisation, as torch initialises it.
        kernel_size: As the operator understands it.
        bias: Whether the two convolutions have one.
        dropout: Probability of dropping a value after the first ReLU.
    """

    def __init__(
        self,
        conv: ConvFactory,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | str,
        bias: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, kernel_size, padding="same", bias=bias)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = conv(out_channels, out_channels, kernel_size, padding="same", bias=bias)
        self.norm2 = nn.BatchNorm2d(out_channels)
        changes = in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W).

        Raises:
            UnsupportedError: If the operator changes the sides.
        """
        out = self.dropout(F.relu(self.norm1(self.conv1(x))))
        out = self.norm2(self.conv2(out))
        check_same_sides(out, x)
        return F.relu(out + self.shortcut(x))


class FlexNet(nn.Module):
    """Stem, residual blocks at full resolution, mean over pixels, classifier.

    All convolutions but the 1x1 of shortcuts are made by `conv`, in the order stem, then the first
    and second of each block. The classifier's weight is drawn from Kaiming's normal for fan in and
    its bias is zero, as in the paper's code; operators keep their own initialisation. The code
    gives a batch of one image logits without the axis B; here it stays.

    Args:
        conv: Makes the convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        width: Channels of the stem, >= 1; by default the paper's for this depth. For mixtures of
            Gaussian derivatives the paper has 38 in `flexnet7` and 32 in `flexnet5`; 68 gives
            `flexnet7` the size of ResNet-10.
        kernel_size: Side of the kernels, or `same` (the side of the first input) or `full` for
            operators that know it.
        dropout: Probability of dropping a value after the first ReLU of a block, < 1.
        bias: Whether the convolutions that `conv` makes have one.

    Attributes:
        default_width: Channels of the stem.
        factors: Width of every block, in widths of the stem, rounded down.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes)

    Raises:
        ValueError: If an argument is out of range, or the operator does not know `kernel_size`.
    """

    default_width: ClassVar[int]
    factors: ClassVar[tuple[float, ...]]

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        width: int | None = None,
        kernel_size: int | AdaptiveSize = "same",
        dropout: float = 0.2,
        bias: bool = True,
    ) -> None:
        super().__init__()
        width = self.default_width if width is None else width
        check_count("width", width)
        check_share("dropout", dropout)
        check_flag("bias", bias)
        self.stem = conv(in_channels, width, kernel_size, padding="same", bias=bias)
        self.norm = nn.BatchNorm2d(width)
        widths = [width, *(int(width * factor) for factor in self.factors)]
        self.blocks = nn.Sequential(
            *(
                FlexNetBlock(conv, *ends, kernel_size=kernel_size, bias=bias, dropout=dropout)
                for ends in pairwise(widths)
            )
        )
        self.classifier = nn.Linear(widths[-1], num_classes)
        nn.init.zeros_(self.classifier.bias)
        # Normal numbers for the meta device cost seconds of imports inside torch.
        if not self.classifier.weight.is_meta:
            nn.init.kaiming_normal_(self.classifier.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        check_axes(x, "(B, C, H, W)")
        x = F.relu(self.norm(self.stem(x)))
        return self.classifier(self.blocks(x).mean((2, 3)))


@ARCHITECTURES.register("flexnet3")
class FlexNet3(FlexNet):
    """FlexNet with 3 residual blocks, 8 layers."""

    default_width = 24
    factors = (1, 1.5, 2)


@ARCHITECTURES.register("flexnet5")
class FlexNet5(FlexNet):
    """FlexNet with 5 residual blocks, 12 layers."""

    default_width = 22
    factors = (1, 1.5, 1.5, 2, 2)


@ARCHITECTURES.register("flexnet7")
class FlexNet7(FlexNet):
    """FlexNet with 7 residual blocks, the paper's FlexNet-16."""

    default_width = 24
    factors = (1, 1, 1.5, 1.5, 1.5, 2, 2)
