"""AlexNet of torchvision."""

from torch import nn

from kbench.architectures.arguments import check_share
from kbench.architectures.finished import change_convolution, require_sides
from kbench.architectures.replace import replace_convolutions
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

STAGES = tuple((f"features.{number}",) for number in (0, 3, 6, 8, 10))


@ARCHITECTURES.register("alexnet")
def alexnet(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    dropout: float = 0.5,
) -> nn.Module:
    """AlexNet of torchvision, five convolutions with biases and no normalisation.

    Every layer starts as torch makes it. Stage n of `where` is the convolution n, from 0. Inputs
    have sides of at least 63 pixels.

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        dropout: Share of the inputs of the first two linear layers that training sets to zero.

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing; by the network, if
            an input is too small.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    # Importing torchvision takes as long as importing torch.
    from torchvision.models import AlexNet

    check_share("dropout", dropout)
    model: nn.Module = AlexNet(num_classes, dropout)
    change_convolution(model, "features.0", in_channels=in_channels)
    require_sides(model, 63, "alexnet divides them by 4 and pools three times")
    replace_convolutions(model, conv, where, STAGES)
    return model
