"""Network in network for 32x32 images, as the paper of N-Jet has it.

Lin et al., Network in network, arXiv 1312.4400, with the normalisation of the release of N-Jet.

Shapes: B batch, C channels, H and W height and width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_flag, check_multiple, check_odd, check_share
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


class NinBlock(nn.Module):
    """Spatial convolution and two 1x1 convolutions, each normalised and rectified.

    Args:
        conv: Makes the spatial convolution, of stride 1 and with the input's side.
        channels: Channels of the input and of the three outputs.
        kernel_size: Side of the spatial kernel, odd.
        final_relu: Whether the last convolution is rectified.
    """

    def __init__(
        self,
        conv: ConvFactory,
        channels: tuple[int, int, int, int],
        kernel_size: int,
        *,
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        first, second, third, last = channels
        self.spatial = conv(first, second, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm1 = nn.BatchNorm2d(second)
        self.mix1 = nn.Conv2d(second, third, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(third)
        self.mix2 = nn.Conv2d(third, last, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(last)
        self.final_relu = final_relu

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        x = F.relu(self.norm1(self.spatial(x)))
        x = F.relu(self.norm2(self.mix1(x)))
        x = self.norm3(self.mix2(x))
        return F.relu(x) if self.final_relu else x


@ARCHITECTURES.register("nin")
class Nin(nn.Module):
    """Network in network: three spatial convolutions, each with two 1x1 convolutions behind.

    Block 1 has W, 5 W/6 and W/2 channels, block 2 has W three times, block 3 has W twice and the
    classes; the logits are the mean over the pixels. Every convolution, the last too, is without
    bias, normalised and rectified, so logits are not negative (`final_relu`). Dropout follows
    blocks 1 and 2, after the pooling.

    `conv` makes the three spatial convolutions. Without pooling the maps keep their side, unless
    the operator subsamples them, as the paper's networks with learned resolution do (figure 8).
    Every layer is initialised as it is made; the paper says nothing else.

    Args:
        conv: Makes the spatial convolutions.
        num_classes: Channels of the last convolution.
        in_channels: Channels of the images.
        width: W, a positive multiple of 6.
        kernel1: Side of the first kernel, odd.
        kernel2: Side of the second kernel, odd.
        kernel3: Side of the third kernel, odd.
        pooling: Whether 3x3 pooling of stride 2 follows block 1 (maximum) and block 2 (mean).
        dropout: Rate, >= 0 and < 1.
        final_relu: Whether the logits are rectified.

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
        width: int = 192,
        kernel1: int = 5,
        kernel2: int = 5,
        kernel3: int = 3,
        pooling: bool = True,
        dropout: float = 0.5,
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        check_multiple("width", width, 6)
        for name, size in (("kernel1", kernel1), ("kernel2", kernel2), ("kernel3", kernel3)):
            check_odd(name, size)
        check_flag("pooling", pooling)
        check_flag("final_relu", final_relu)
        check_share("dropout", dropout)
        half = width // 2
        self.block1 = NinBlock(conv, (in_channels, width, width // 6 * 5, half), kernel1)
        self.block2 = NinBlock(conv, (half, width, width, width), kernel2)
        last = (width, width, width, num_classes)
        self.block3 = NinBlock(conv, last, kernel3, final_relu=final_relu)
        self.pool1: nn.Module = nn.MaxPool2d(3, 2, padding=1) if pooling else nn.Identity()
        self.pool2: nn.Module = nn.AvgPool2d(3, 2, padding=1) if pooling else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        x = self.dropout(self.pool1(self.block1(x)))
        x = self.dropout(self.pool2(self.block2(x)))
        return self.block3(x).mean((2, 3))
