"""All-convolutional network for 32x32 images, model C of Springenberg et al., arXiv 1412.6806.

Shapes: B batch, C channels, H and W height and width.
"""

from torch import Tensor, nn

from kbench.architectures.arguments import check_count, check_flag
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


@ARCHITECTURES.register("allcnn_c")
class AllCnnC(nn.Module):
    """All-CNN-C: seven 3x3 convolutions and two of 1x1, subsampling by strides alone.

    Three 3x3 convolutions of V channels, three of W, one of W, then 1x1 convolutions of W and of
    the classes; the third and the sixth have stride 2. The logits are the mean over the pixels.
    Every convolution, the last too, is without bias, normalised and rectified (section 5 of the
    paper of N-Jet: normalisation after each of the nine). All keep the input's side but for their
    stride; there is no dropout. Every layer is initialised as it is made.

    `conv` makes the 3x3 convolutions. Without strides the maps keep their side, unless the operator
    subsamples them. The counts that the paper of N-Jet prints, 0.97, 1.07 and 0.66 million, need
    V = 80 and W = 160 with 100 classes; the widths that its figure 9 draws are the defaults.

    Args:
        conv: Makes the 3x3 convolutions.
        num_classes: Channels of the last convolution.
        in_channels: Channels of the images.
        width1: V, >= 1.
        width2: W, >= 1.
        strided: Whether the third and the sixth convolution have stride 2.
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
        width1: int = 96,
        width2: int = 192,
        strided: bool = True,
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        check_count("width1", width1)
        check_count("width2", width2)
        check_flag("strided", strided)
        check_flag("final_relu", final_relu)
        step = 2 if strided else 1
        channels = in_channels
        layers: list[nn.Module] = []
        for width, stride in zip(
            (width1,) * 3 + (width2,) * 4, (1, 1, step, 1, 1, step, 1), strict=True
        ):
            layers += [
                conv(channels, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        for width in (width2, num_classes):
            layers += [nn.Conv2d(width2, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*(layers if final_relu else layers[:-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        return self.layers(x).mean((2, 3))
