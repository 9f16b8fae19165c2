"""MobileNetV2 of torchvision, and its forms for 32x32 images.

Shapes: B batch, C channels, H and W height and width.
"""

from functools import partial
from itertools import accumulate, pairwise
from typing import Literal

from torch import Tensor, nn

from kbench.architectures.arguments import check_choice, check_share
from kbench.architectures.finished import change_convolution
from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Stem = Literal["imagenet", "cifar"]
Rows = tuple[tuple[int, int, int, int], ...]

# Expansion, channels, blocks, stride of the first block: the table of the MobileNetV2 paper.
IMAGENET_ROWS: Rows = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
# LC, section 5.2, and GMConv, section 5.2.
LOWRES_ROWS: Rows = (IMAGENET_ROWS[0], (6, 24, 2, 1), *IMAGENET_ROWS[2:])
CIFAR_ROWS: Rows = (*IMAGENET_ROWS[:5], (6, 160, 3, 1), IMAGENET_ROWS[6])


@ARCHITECTURES.register("mobilenet_v2")
def mobilenet_v2(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    stem: Stem = "imagenet",
    dropout: float = 0.2,
) -> nn.Module:
    """MobileNetV2 of torchvision, width 1.

    Convolutions start from Kaiming's normal for fan out, the classifier from N(0, 0.01). Stage 0 of
    `where` is the stem, stages 1 to 7 are the rows of the paper's table. NIFF's placement is
    `where='niff'`.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        stem: The 3x3 of `imagenet` has stride 2, that of `cifar` stride 1 (NIFF, section 5).
        dropout: Share of the features in front of the classifier that training sets to zero.

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    check_choice("stem", stem, Stem)
    stride = 2 if stem == "imagenet" else 1
    return _torchvision(conv, num_classes, in_channels, IMAGENET_ROWS, stride, where, dropout)


@ARCHITECTURES.register("lowres_mobilenet_v2")
def lowres_mobilenet_v2(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.2,
) -> nn.Module:
    """MobileNetV2 of LC for 32x32 images: stride 1 in the stem and in the second row.

    Everything else, the start too, is that of `mobilenet_v2` (LC, section 5.2).

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the features in front of the classifier that training sets to zero.
    """
    return _torchvision(conv, num_classes, in_channels, LOWRES_ROWS, 1, where, dropout)


def _torchvision(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    rows: Rows,
    stride: int,
    where: str,
    dropout: float,
) -> nn.Module:
    # Importing torchvision takes as long as importing torch.
    from torchvision.models import MobileNetV2

    check_share("dropout", dropout)
    model: nn.Module = MobileNetV2(num_classes, 1.0, [list(row) for row in rows], dropout=dropout)
    draw = partial(nn.init.kaiming_normal_, mode="fan_out")
    changes = {"in_channels": in_channels, "stride": (stride, stride)}
    change_convolution(model, "features.0.0", draw, **changes)
    replace_convolutions(model, conv, where, _stages(rows))
    return model


def _stages(rows: Rows) -> list[tuple[str, ...]]:
    ends = accumulate((number for _, _, number, _ in rows), initial=1)
    blocks = [range(start, end) for start, end in pairwise(ends)]
    return [("features.0",), *(tuple(f"features.{n}" for n in row) for row in blocks)]


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise and 1x1 projection, with biases, beside the identity.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expansion: Channels in between, in multiples of `in_channels`.
        stride: Stride of the depthwise convolution; the identity is there for 1 only.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.is_residual = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, out_channels, 1),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        return x + self.conv(x) if self.is_residual else self.conv(x)


@ARCHITECTURES.register("mobilenet_v2_cifar")
class MobileNetV2Cifar(nn.Module):
    """MobileNetV2 of GMConv for 32x32 images, with a 1x1 stem and biases.

    The stem pads by one pixel; every block has an expansion; the classifier is a 1x1 convolution
    (section 5.2). The paper says nothing about the start, so every layer is as torch makes it.
    Stages 1 to 7 of `where` are the rows of the table; the stem is no candidate.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes)
    """

    def __init__(
        self, conv: ConvFactory, num_classes: int, in_channels: int, *, where: str = "all"
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [_normalised(in_channels, 32, padding=1)]
        channels = 32
        for expansion, out_channels, number, stride in CIFAR_ROWS:
            for index in range(number):
                step = stride if index == 0 else 1
                layers.append(InvertedResidual(channels, out_channels, expansion, step))
                channels = out_channels
        self.features = nn.Sequential(*layers, _normalised(channels, 1280))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Conv2d(1280, num_classes, 1)
        replace_convolutions(self, conv, where, _stages(CIFAR_ROWS))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        return self.classifier(self.avgpool(self.features(x))).flatten(1)


def _normalised(in_channels: int, out_channels: int, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )
