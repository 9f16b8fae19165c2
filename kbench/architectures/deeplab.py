"""DeepLabv2 on ResNet-101, with an operator in its pyramid.

Chen et al., DeepLab: semantic image segmentation with deep convolutional nets, atrous convolution,
and fully connected CRFs, arXiv 1606.00915.

Shapes: B batch, C channels, H and W height and width.
"""

from collections import OrderedDict
from typing import Literal, Self

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_choice, check_flag
from kbench.architectures.trained import load_trunk
from kbench.errors import UnsupportedError
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Pyramid = Literal["separate", "shared"]

RATES = (6, 12, 18, 24)  # arXiv 1606.00915, ASPP-L
TRUNK_CHANNELS = 2048


class AtrousPyramid(nn.Module):
    """Sum of parallel 3x3 convolutions that reach 6, 12, 18 and 24 pixels.

    Args:
        conv: Makes the convolutions, with biases.
        in_channels: Channels of the input.
        out_channels: Channels of every output.
        pyramid: `separate` is four convolutions with the reach as dilation. `shared` is one
            convolution of reach 1, which is not used itself; its `with_reach` gives the four, of
            the same weights. What sets the reach is the operator's matter.

    Raises:
        UnsupportedError: If the operator has no `with_reach`.
    """

    def __init__(
        self, conv: ConvFactory, in_channels: int, out_channels: int, pyramid: Pyramid
    ) -> None:
        super().__init__()
        if pyramid == "separate":
            branches = [
                conv(in_channels, out_channels, 3, padding=rate, dilation=rate) for rate in RATES
            ]
        else:
            common = conv(in_channels, out_channels, 3, padding=1)
            with_reach = getattr(common, "with_reach", None)
            if with_reach is None:
                message = (
                    f"pyramid (='shared') needs an operator with `with_reach`, which "
                    f"{type(common).__name__} does not have"
                )
                raise UnsupportedError(message)
            branches = [with_reach(rate) for rate in RATES]
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        first, *others = self.branches
        y: Tensor = first(x)
        for branch in others:
            y = y + branch(x)
        return y


@ARCHITECTURES.register("deeplabv2_resnet101")
class DeepLabV2(nn.Module):
    """DeepLabv2: ResNet-101 of output stride 8, then an atrous pyramid for the classes.

    `conv` makes the pyramid only (table 6 of the paper of N-Jet); the trunk is torchvision's plain
    ResNet-101 with dilation in place of the last two strides, initialised as torchvision has it
    unless `weights` names a file. The pyramid is initialised as it is made. Inputs of several
    scales and the random field of DeepLab are left out.

    The table's trunk was trained on COCO, by the classes of VOC, and its normalisations were frozen
    (section 6). torchvision's `deeplabv3_resnet101` for COCO with the labels of VOC has a trunk of
    the same layout, in a file that `weights` takes as it is; it was trained under another head.

    Args:
        conv: Makes the pyramid's convolutions.
        num_classes: Channels of the output.
        in_channels: Channels of the images.
        pyramid: Whether the four branches have `separate` weights and biases, or `shared` ones.
        weights: File with the trunk's parameters, see `load_trunk`; None trains from scratch.
        frozen_norm: Whether the trunk's normalisations keep their statistics and parameters.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes, H, W), bilinear between every eighth pixel

    Raises:
        ValueError: If `pyramid` is unknown.
        DatasetError: If the file of `weights` is missing or has another layout.
        UnsupportedError: If `pyramid` is `shared` and the operator cannot share its weights.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        pyramid: Pyramid = "separate",
        weights: str | None = None,
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        check_choice("pyramid", pyramid, Pyramid)
        check_flag("frozen_norm", frozen_norm)
        self.trunk = _build_trunk(in_channels)
        if weights is not None:
            load_trunk(self.trunk, weights)
        self.frozen_norm = frozen_norm
        for norm in self._frozen_norms():
            norm.requires_grad_(requires_grad=False)
        self.pyramid = AtrousPyramid(conv, TRUNK_CHANNELS, num_classes, pyramid)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen normalisations, which use what they know."""
        super().train(mode)
        for norm in self._frozen_norms():
            norm.eval()
        return self

    def _frozen_norms(self) -> list[nn.Module]:
        is_frozen = self.frozen_norm
        return [m for m in self.trunk.modules() if is_frozen and isinstance(m, nn.BatchNorm2d)]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes, H, W)."""
        y = self.pyramid(self.trunk(x))
        return F.interpolate(y, size=x.shape[-2:], mode="bilinear")


@ARCHITECTURES.register("deeplabv2_pyramid")
class DeepLabV2Pyramid(nn.Module):
    """The pyramid of DeepLabv2 alone, whose parameters table 6 of the paper of N-Jet counts.

    Inputs stand for the trunk's output, which has 2048 channels.

    Args:
        conv: Makes the pyramid's convolutions.
        num_classes: Channels of the output.
        in_channels: Channels of the input.
        pyramid: As for `deeplabv2_resnet101`.

    Shape:
        - input: (B, C, H, W)
        - output: (B, num_classes, H, W)

    Raises:
        ValueError: If `pyramid` is unknown.
        UnsupportedError: If `pyramid` is `shared` and the operator cannot share its weights.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        pyramid: Pyramid = "separate",
    ) -> None:
        super().__init__()
        check_choice("pyramid", pyramid, Pyramid)
        self.pyramid = AtrousPyramid(conv, in_channels, num_classes, pyramid)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes, H, W)."""
        return self.pyramid(x)


def _build_trunk(in_channels: int) -> nn.Module:
    """Return ResNet-101 without mean and classifier."""
    # Importing torchvision takes as long as importing torch.
    from torchvision.models import resnet101

    network = resnet101(replace_stride_with_dilation=[False, True, True])
    if in_channels != 3:
        network.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
    parts = [(name, part) for name, part in network.named_children() if name != "fc"]
    return nn.Sequential(OrderedDict(parts[:-1]))
