"""Residual networks of torchvision, for ImageNet.

Names of modules, random numbers and outputs are those of torchvision 0.29; nothing of it is
imported, so that small networks start quickly.

Shapes: B batch, C channels, H and W height and width.
"""

from collections.abc import Iterator
from itertools import chain
from typing import ClassVar, Literal

from torch import Tensor, nn

from kbench.architectures.arguments import check_choice, check_flag, check_share
from kbench.architectures.replace import replace_convolutions
from kbench.architectures.residual_blocks import BasicBlock, Bottleneck
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Stem = Literal["imagenet", "cifar", "lowres"]
Init = Literal["kaiming", "default"]

STAGES = (("conv1",), ("layer1",), ("layer2",), ("layer3",), ("layer4",))


class ResNet(nn.Module):
    """Stem, stages of residual blocks, mean over pixels, classifier.

    Convolutions have no bias and are followed by batch normalisation; each stage but the first
    halves the size and doubles the width. Stage 0 of `where` is the stem, stages 1 to 4 are the
    others. LC and GMConv replace all spatial convolutions; NIFF's placement is `where='niff'`.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        stem: `imagenet` is 7x7 with stride 2 and a 3x3 maximum pooling with stride 2; `cifar` is
            3x3 with stride 1 and no pooling (NIFF and GMConv, section 5); `lowres` is 3x3 with
            stride 1 and keeps the pooling (LC, section 5.2).
        init: `kaiming` draws convolutions from Kaiming's normal for fan out and ReLU, as
            torchvision; `default` leaves every layer as torch makes it.
        zero_init_residual: Whether the last normalisation of each block starts with weight 0, as in
            timm (LC, section 2.3), instead of 1, as in torchvision.
        drop_path: Share of the images for which training skips the last block, >= 0 and < 1; it
            rises linearly from 0 in the first block, as in timm.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes)

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """

    block: ClassVar[type[BasicBlock] | type[Bottleneck]]
    depths: ClassVar[tuple[int, ...]]
    groups: ClassVar[int] = 1
    base_width: ClassVar[int] = 64

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        where: str = "all",
        stem: Stem = "imagenet",
        init: Init = "kaiming",
        zero_init_residual: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        check_choice("stem", stem, Stem)
        check_choice("init", init, Init)
        check_flag("zero_init_residual", zero_init_residual)
        check_share("drop_path", drop_path)
        self.conv1 = self.make_stem(in_channels, stem)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, depth in enumerate(self.depths, 1):
            blocks = self._make_stage(channels, 32 * 2**number, depth, 1 if number == 1 else 2)
            self.add_module(f"layer{number}", blocks)
            channels = 32 * 2**number * self.block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        self._initialise(init, zero_last=zero_init_residual)
        for place, block in enumerate(self._blocks()):
            block.drop_rate = drop_path * place / max(sum(self.depths) - 1, 1)
        replace_convolutions(self, conv, where, STAGES)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, len(self.depths) + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(self.avgpool(x).flatten(1))

    def make_stem(self, in_channels: int, stem: Stem) -> nn.Module:
        """Return what maps the image to 64 channels, without normalisation."""
        kernel, stride = (7, 2) if stem == "imagenet" else (3, 1)
        return nn.Conv2d(in_channels, 64, kernel, stride, kernel // 2, bias=False)

    def make_shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Return what passes a change of shape: 1x1 and normalisation."""
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def _make_stage(self, in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
        out_channels = width * self.block.expansion
        shortcut: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            shortcut = self.make_shortcut(in_channels, out_channels, stride)
        sizes = {"groups": self.groups, "base_width": self.base_width}
        blocks = [self.block(in_channels, width, stride, shortcut, **sizes)]
        blocks += [self.block(out_channels, width, 1, None, **sizes) for _ in range(depth - 1)]
        return nn.Sequential(*blocks)

    def _initialise(self, init: Init, *, zero_last: bool) -> None:
        for module in self.modules() if init == "kaiming" else ():
            # Normal numbers for the meta device cost seconds of imports inside torch.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for block in self._blocks() if zero_last else ():
            nn.init.zeros_(block.last_norm.weight)

    def _blocks(self) -> Iterator[BasicBlock | Bottleneck]:
        """Return the residual blocks, first to last."""
        stages = (getattr(self, f"layer{number + 1}") for number in range(len(self.depths)))
        return chain.from_iterable(stages)


@ARCHITECTURES.register("resnet10")
class ResNet10(ResNet):
    """ResNet-10, 1-1-1-1 basic blocks in torchvision's layout (FlexConv, section 5.3)."""

    block = BasicBlock
    depths = (1, 1, 1, 1)


@ARCHITECTURES.register("resnet18")
class ResNet18(ResNet):
    """ResNet-18 of torchvision, 2-2-2-2 basic blocks."""

    block = BasicBlock
    depths = (2, 2, 2, 2)


@ARCHITECTURES.register("resnet34")
class ResNet34(ResNet):
    """ResNet-34 of torchvision, 3-4-6-3 basic blocks."""

    block = BasicBlock
    depths = (3, 4, 6, 3)


@ARCHITECTURES.register("resnet50")
class ResNet50(ResNet):
    """ResNet-50 of torchvision, 3-4-6-3 bottlenecks with the stride in the 3x3."""

    block = Bottleneck
    depths = (3, 4, 6, 3)


@ARCHITECTURES.register("resnet101")
class ResNet101(ResNet):
    """ResNet-101 of torchvision, 3-4-23-3 bottlenecks with the stride in the 3x3."""

    block = Bottleneck
    depths = (3, 4, 23, 3)


@ARCHITECTURES.register("resnet152")
class ResNet152(ResNet):
    """ResNet-152 of torchvision, 3-8-36-3 bottlenecks with the stride in the 3x3."""

    block = Bottleneck
    depths = (3, 8, 36, 3)


@ARCHITECTURES.register("resnext50_32x4d")
class ResNeXt50(ResNet50):
    """ResNeXt-50 32x4d of torchvision, ResNet-50 with 32 groups in the 3x3."""

    groups = 32
    base_width = 4


@ARCHITECTURES.register("wide_resnet50_2")
class WideResNet50(ResNet50):
    """Wide-ResNet-50-2 of torchvision, ResNet-50 with doubled width of the 3x3."""

    base_width = 128
