"""Small networks for MNIST at several resolutions, of the paper of N-Jet.

Shapes: B batch, C channels, H and W height and width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_count, check_flag, check_odd
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


@ARCHITECTURES.register("mnist_toy_pool")
class MnistToyPool(nn.Module):
    """One convolution, normalisation, pooling to a fixed side, classifier (figure 6a).

    `conv` makes the convolution, which is without bias. Pools of 2, 3 and 4 for sides of 28, 42 and
    56 leave 14x14 pixels, so the three networks of the figure have as many parameters. The
    classifier's softmax is left to the loss.

    Args:
        conv: Makes the convolution.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        side: H and W, >= `pool`.
        pool: Side and stride of the maximum pooling, >= 1.
        width: Filters, >= 1.
        kernel_size: Side of the kernel, odd.

    Shape:
        - input: (B, C, side, side)
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
        side: int = 28,
        pool: int = 2,
        width: int = 16,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        check_count("pool", pool)
        check_count("side", side, pool)
        check_count("width", width)
        check_odd("kernel_size", kernel_size)
        self.side, self.pool = side, pool
        self.conv = conv(in_channels, width, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.classifier = nn.Linear(width * (side // pool) ** 2, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, side, side) to logits (B, num_classes).

        Raises:
            ValueError: If the input has other sides.
        """
        sides = tuple(x.shape[-2:])
        if sides != (self.side, self.side):
            message = f"input sides (={sides}) must be side (={self.side})"
            raise ValueError(message)
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), self.pool)
        return self.classifier(x.flatten(1))


@ARCHITECTURES.register("mnist_toy_stack")
class MnistToyStack(nn.Module):
    """Convolutions and rectifiers only, then the maximum over pixels and a classifier (table 5).

    `conv` makes all convolutions, of stride 1 and with the input's side. The paper says how many
    layers there are; widths, normalisation and the head are ours. With `norm` every convolution is
    normalised and has no bias.

    Args:
        conv: Makes the convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        num_layers: Convolutions, >= 1; the table has 2 and 4.
        width: Filters of each, >= 1.
        kernel_size: Side of the kernels, odd.
        dilation: Distance between the taps of the kernels, >= 1; the table's atrous rows have 2.
        norm: Whether normalisation follows each convolution.

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
        num_layers: int = 2,
        width: int = 32,
        kernel_size: int = 3,
        dilation: int = 1,
        norm: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("num_layers", num_layers), ("width", width), ("dilation", dilation)):
            check_count(name, value)
        check_odd("kernel_size", kernel_size)
        check_flag("norm", norm)
        padding = kernel_size // 2 * dilation
        layers: list[nn.Module] = []
        for channels in (in_channels,) + (width,) * (num_layers - 1):
            sizes = {"padding": padding, "dilation": dilation}
            layers.append(conv(channels, width, kernel_size, bias=not norm, **sizes))
            layers += [nn.BatchNorm2d(width), nn.ReLU()] if norm else [nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes)."""
        return self.classifier(self.layers(x).amax((2, 3)))
