"""Residual networks of He et al. for 32x32 images, section 4.2 of arXiv 1512.03385.

Shapes: B batch, C channels, H and W height and width.
"""

from typing import ClassVar, Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_same_sides
from kbench.architectures.replace import plain_convolution, replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Shortcut = Literal["conv", "pad"]
Init = Literal["default", "kaiming"]


class PadShortcut(nn.Module):
    """Shortcut without parameters: every second pixel, and zero channels at both sides.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, not fewer; an odd one more goes to the end.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        before = (out_channels - in_channels) // 2
        self.channels = (before, out_channels - in_channels - before)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H/2), ceil(W/2))."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, *self.channels))


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut.

    An operator may subsample by itself in the place of a stride; the shortcut then takes the
    nearest pixels of its input, as many as the operator leaves (ours).

    Args:
        conv: Makes the two convolutions.
        in_channels: Channels of the input; the output has `stride` times as many.
        kernel_size: Side of the kernels, odd.
        stride: Stride of the first convolution, 1 or 2.
        shortcut: What passes a change of shape: `conv`, 1x1 with normalisation, or `pad`.
    """

    def __init__(
        self,
        conv: ConvFactory,
        in_channels: int,
        kernel_size: int,
        stride: int,
        shortcut: Shortcut,
    ) -> None:
        super().__init__()
        out_channels, padding = in_channels * stride, kernel_size // 2
        self.conv1 = conv(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False
        )
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv(out_channels, out_channels, kernel_size, padding=padding, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.is_strided = stride == 2
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 and shortcut == "pad":
            self.shortcut = PadShortcut(in_channels, out_channels)
        elif stride == 2:
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
        shortcut = self.shortcut(_resample(x, out) if self.is_strided else x)
        out = self.norm2(self.conv2(out))
        check_same_sides(out, shortcut)
        return F.relu(out + shortcut)


def _resample(x: Tensor, out: Tensor) -> Tensor:
    """Return x (B, C, H, W) such that every second pixel makes the sides of `out`."""
    sides = out.shape[-2:]
    if all((side + 1) // 2 == left for side, left in zip(x.shape[-2:], sides, strict=True)):
        return x
    return F.interpolate(x, size=[2 * side for side in sides], mode="nearest")


class CifarResNet(nn.Module):
    """Stem, three stages of basic blocks with W, 2W and 4W channels, mean over pixels, classifier.

    All convolutions but those of the shortcuts are made by `conv`, in the order stem, then the
    first and second of each block. None has a bias. The paper of LC calls it ResNet-{depth}-{W}
    (section 5.1); the paper of GMConv has `shortcut='pad'` and `init='kaiming'` (section 5.2).
    Any `where` but `all` builds the plain network and then replaces what is selected, so an
    operator that has no plain weight is drawn from other random numbers than with `all`.

    Args:
        conv: Makes the convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        width: W, >= 1.
        kernel_size: Side of the kernels, odd.
        shortcut: Where the shape changes: `conv` is a 1x1 convolution of stride 2 with
            normalisation (option B), `pad` has no parameters (option A).
        init: `default` leaves every layer as it is made; `kaiming` draws the weights of the
            convolutions and of the classifier from Kaiming's normal for fan in; an operator without
            a parameter `weight` keeps its own.
        where: Which convolutions `conv` makes, in the grammar of `kbench.architectures.selection`;
            stage 0 is the stem, stages 1 to 3 are those of the blocks. The others are plain. NIFF's
            placement is `niff`.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes)

    Raises:
        ValueError: If an argument is out of range, or `where` selects nothing.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """

    depth: ClassVar[int]

    def __init_subclass__(cls) -> None:
        if (cls.depth - 2) % 6 or cls.depth < 8:
            message = f"depth (={cls.depth}) must be 2 more than a positive multiple of 6"
            raise ValueError(message)

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        width: int = 16,
        kernel_size: int = 3,
        shortcut: Shortcut = "conv",
        init: Init = "default",
        where: str = "all",
    ) -> None:
        super().__init__()
        _check(width, kernel_size, shortcut, init)
        make = conv if where == "all" else plain_convolution
        self.stem = make(in_channels, width, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        num_blocks = (self.depth - 2) // 6
        blocks: list[BasicBlock] = []
        channels = width
        for stride in (1,) * num_blocks + ((2,) + (1,) * (num_blocks - 1)) * 2:
            blocks.append(BasicBlock(make, channels, kernel_size, stride, shortcut))
            channels *= stride
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, num_classes)
        if init == "kaiming":
            self._draw_kaiming(blocks)
        if where != "all":
            stages = [range(start, start + num_blocks) for start in (0, num_blocks, 2 * num_blocks)]
            names = [("stem",), *([f"blocks.{n}" for n in stage] for stage in stages)]
            replace_convolutions(self, conv, where, names)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        x = F.relu(self.norm(self.stem(x)))
        return self.classifier(self.blocks(x).mean((2, 3)))

    def _draw_kaiming(self, blocks: list[BasicBlock]) -> None:
        convolutions = [self.stem]
        for block in blocks:
            convolutions += [block.conv1, block.conv2, *block.shortcut.children()]
        for module in (*convolutions, self.classifier):
            weight = dict(module.named_parameters(recurse=False)).get("weight")
            # Normal numbers for the meta device cost seconds of imports inside torch.
            if weight is not None and weight.dim() > 1 and not weight.is_meta:
                nn.init.kaiming_normal_(weight)


def _check(width: int, kernel_size: int, shortcut: str, init: str) -> None:
    for name, size in (("width", width), ("kernel_size", kernel_size)):
        if type(size) is not int or size < 1:
            message = f"{name} (={size!r}) must be an integer >= 1"
            raise ValueError(message)
    if kernel_size % 2 == 0:
        message = f"kernel_size (={kernel_size}) must be odd"
        raise ValueError(message)
    for name, value, choices in (("shortcut", shortcut, Shortcut), ("init", init, Init)):
        if value not in get_args(choices):
            message = f"{name} (={value!r}) must be one of {list(get_args(choices))}"
            raise ValueError(message)


@ARCHITECTURES.register("resnet8_cifar")
class ResNet8(CifarResNet):
    """ResNet-8 for 32x32 images, 1 basic block a stage."""

    depth = 8


@ARCHITECTURES.register("resnet14_cifar")
class ResNet14(CifarResNet):
    """ResNet-14 for 32x32 images, 2 basic blocks a stage."""

    depth = 14


@ARCHITECTURES.register("resnet20_cifar")
class ResNet20(CifarResNet):
    """ResNet-20 for 32x32 images, 3 basic blocks a stage."""

    depth = 20


@ARCHITECTURES.register("resnet32_cifar")
class ResNet32(CifarResNet):
    """ResNet-32 for 32x32 images, 5 basic blocks a stage."""

    depth = 32


@ARCHITECTURES.register("resnet44_cifar")
class ResNet44(CifarResNet):
    """ResNet-44 for 32x32 images, 7 basic blocks a stage."""

    depth = 44


@ARCHITECTURES.register("resnet56_cifar")
class ResNet56(CifarResNet):
    """ResNet-56 for 32x32 images, 9 basic blocks a stage."""

    depth = 56


@ARCHITECTURES.register("resnet110_cifar")
class ResNet110(CifarResNet):
    """ResNet-110 for 32x32 images, 18 basic blocks a stage."""

    depth = 110


@ARCHITECTURES.register("resnet164_cifar")
class ResNet164(CifarResNet):
    """ResNet-164 for 32x32 images, 27 basic blocks a stage."""

    depth = 164


@ARCHITECTURES.register("resnet260_cifar")
class ResNet260(CifarResNet):
    """ResNet-260 for 32x32 images, 43 basic blocks a stage."""

    depth = 260
