"""MobileNet (arXiv 1704.04861) for 32x32 images.

Shapes: B batch, C channels, H and W height and width.
"""

from torch import Tensor, nn

from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

# Channels and stride of the separable blocks: GMConv, section 5.2.
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


@ARCHITECTURES.register("mobilenet_v1_cifar")
class MobileNetV1Cifar(nn.Module):
    """MobileNet of GMConv for 32x32 images, 3x3 stem with stride 1 and 13 separable blocks.

    Depthwise convolutions have no bias, 1x1 convolutions have one (section 5.2). The paper says
    nothing about the start, so every layer is as torch makes it. Stage 0 of `where` is the stem,
    stages 1 to 13 are the blocks.

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
        stem = nn.Conv2d(in_channels, 32, 3, padding=1, bias=False)
        layers = [nn.Sequential(stem, nn.BatchNorm2d(32), nn.ReLU(inplace=True))]
        channels = 32
        for out_channels, stride in BLOCKS:
            layers.append(_separable(channels, out_channels, stride))
            channels = out_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        replace_convolutions(self, conv, where, [(f"features.{n}",) for n in range(len(layers))])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
