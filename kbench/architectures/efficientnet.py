"""EfficientNet-B0 for small images, as the paper of N-Jet has it.

Tan and Le, EfficientNet, arXiv 1905.11946, table 1.

Shapes: B batch, C channels, H and W height and width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_multiple, check_same_sides, check_share
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

# Expansion, output channels for a stem of 32, repeats, kernel side, stride of the first.
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
NUM_BLOCKS = sum(repeats for _, _, repeats, _, _ in STAGES)


class SqueezeExcitation(nn.Module):
    """Factors for the channels, from their means.

    Args:
        channels: C.
        squeezed: Channels between the two 1x1 convolutions, which have biases.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        factors = F.silu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * self.excite(factors).sigmoid()


class InvertedBottleneck(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze and excitation, 1x1 projection.

    Args:
        conv: Makes the depthwise convolution.
        channels: Channels of the input and of the output.
        expansion: Depthwise channels over those of the input; 1 has no 1x1 expansion.
        kernel_size: Side of the depthwise kernel, odd.
        stride: Stride of the depthwise convolution.
        drop_rate: How often training drops the branch of an image beside an identity shortcut,
            which exists at stride 1 and equal channels.
    """

    def __init__(
        self,
        conv: ConvFactory,
        channels: tuple[int, int],
        expansion: int,
        kernel_size: int,
        stride: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        in_channels, out_channels = channels
        inner = expansion * in_channels
        self.expand: nn.Module = nn.Identity()
        if expansion > 1:
            self.expand = nn.Sequential(
                nn.Conv2d(in_channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.SiLU()
            )
        depthwise = {"stride": stride, "padding": kernel_size // 2, "groups": inner}
        self.depthwise = conv(inner, inner, kernel_size, **depthwise, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.excitation = SqueezeExcitation(inner, max(1, in_channels // 4))
        self.project = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.has_shortcut = stride == 1 and in_channels == out_channels
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W').

        Raises:
            UnsupportedError: If the operator changes sides that have to stay.
        """
        out = F.silu(self.norm1(self.depthwise(self.expand(x))))
        out = self.norm2(self.project(self.excitation(out)))
        if not self.has_shortcut:
            return out
        check_same_sides(out, x)
        return x + self._drop(out)

    def _drop(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_rate == 0:
            return branch
        keep = 1 - self.drop_rate
        return branch * branch.new_empty(len(branch), 1, 1, 1).bernoulli_(keep).div_(keep)


@ARCHITECTURES.register("efficientnet_b0_cifar")
class EfficientNetB0Cifar(nn.Module):
    """EfficientNet-B0 with a stem of stride 1 and without the 1x1 convolution at the end.

    `conv` makes the stem and the 16 depthwise convolutions, which keep their strides, in the order
    of execution. Without that last convolution (320 to 1280 channels) the counts are those that
    the paper of N-Jet prints for 10 classes. Rates of dropout and of dropped branches are those of
    EfficientNet; the paper of N-Jet does not state them. Every layer is initialised as it is made.

    Args:
        conv: Makes the stem and the depthwise convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        width: Channels of the stem, a positive multiple of 4; all others in proportion.
        dropout: Rate before the classifier, >= 0 and < 1.
        drop_path: Rate at which training drops the last branch, >= 0 and < 1; for the others in
            proportion to their place.

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
        width: int = 32,
        dropout: float = 0.2,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        check_multiple("width", width, 4)
        check_share("dropout", dropout)
        check_share("drop_path", drop_path)
        self.stem = conv(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks: list[nn.Module] = []
        channels = width
        for expansion, reference_width, repeats, kernel_size, first_stride in STAGES:
            for stride in (first_stride,) + (1,) * (repeats - 1):
                ends = (channels, reference_width * width // 32)
                rate = drop_path * len(blocks) / NUM_BLOCKS
                blocks.append(InvertedBottleneck(conv, ends, expansion, kernel_size, stride, rate))
                channels = ends[1]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        x = self.blocks(F.silu(self.norm(self.stem(x))))
        return self.classifier(self.dropout(x.mean((2, 3))))
