"""ShuffleNetV2 of torchvision."""

from torch import nn

from kbench.architectures.finished import change_convolution
from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

STAGES = (("conv1",), ("stage2",), ("stage3",), ("stage4",))


@ARCHITECTURES.register("shufflenet_v2_x1_0")
def shufflenet_v2_x1_0(
    conv: ConvFactory, num_classes: int, in_channels: int, *, where: str = "all"
) -> nn.Module:
    """ShuffleNetV2 of torchvision, width 1.

    Every layer starts as torch makes it. Stage 0 of `where` is the stem; stages 1 to 3 are those
    that torchvision calls 2 to 4.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.

    Raises:
        ValueError: If `where` is no selection or selects nothing.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    # Importing torchvision takes as long as importing torch.
    from torchvision.models import shufflenet_v2_x1_0 as build

    model: nn.Module = build(weights=None, num_classes=num_classes)
    change_convolution(model, "conv1.0", in_channels=in_channels)
    replace_convolutions(model, conv, where, STAGES)
    return model
