"""Blocks of residual networks, with the names of torchvision's.

Shapes: B batch, C channels, H and W height and width.
"""

from typing import ClassVar

from torch import Tensor, nn


def drop_branch(branch: Tensor, rate: float, *, training: bool) -> Tensor:
    """Return (B, C, H, W) as it is or, in training, 0 for a share of the images (arXiv 1603.09382).

    The other images are divided by what is left, so that the mean stays.

    Args:
        branch: What a block adds to its shortcut.
        rate: The share, >= 0 and < 1.
        training: Whether the network is in training mode.
    """
    if not training or rate == 0:
        return branch
    kept = 1 - rate
    return branch * branch.new_empty(len(branch), 1, 1, 1).bernoulli_(kept).div_(kept)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        in_channels: Channels of the input.
        width: Channels of the convolutions and of the output.
        stride: Stride of the first convolution.
        shortcut: What passes a change of shape; None passes the input.

    Attributes:
        drop_rate: Share of the images for which training leaves the convolutions out.
    """

    expansion: ClassVar[int] = 1
    drop_rate: float = 0.0

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: nn.Module | None, **_: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """Return the normalisation in front of the sum."""
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = drop_branch(self.bn2(self.conv2(out)), self.drop_rate, training=self.training)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution beside a shortcut, the stride in the 3x3.

    Args:
        in_channels: Channels of the input.
        width: A quarter of the channels of the output.
        stride: Stride of the 3x3 convolution.
        shortcut: What passes a change of shape; None passes the input.
        groups: Groups of the 3x3 convolution.
        base_width: Channels of a group of the 3x3 convolution, for a `width` of 64.

    Attributes:
        drop_rate: Share of the images for which training leaves the convolutions out.
    """

    expansion: ClassVar[int] = 4
    drop_rate: float = 0.0

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        shortcut: nn.Module | None,
        *,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        inner, outer = width * base_width // 64 * groups, width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """Return the normalisation in front of the sum."""
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = drop_branch(self.bn3(self.conv3(out)), self.drop_rate, training=self.training)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))
