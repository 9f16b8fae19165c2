"""U-Net for the scenes of the paper of N-Jet.

Ronneberger et al., U-Net, arXiv 1505.04597, with bilinear upsampling and padded convolutions.

Shapes: B batch, C channels, H and W height and width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import check_count, check_flag, check_same_sides, check_sides
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


class UNetLevel(nn.Module):
    """Two convolutions with rectifiers, which keep the side.

    Args:
        conv: Makes the convolutions.
        in_channels: Channels of the input.
        out_channels: Channels of both outputs.
        kernel_size: Side of the kernels; an even one pads one pixel more at the right and bottom.
        bias: Whether the convolutions have biases.
    """

    def __init__(
        self,
        conv: ConvFactory,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool,
    ) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2
        self.is_even = kernel_size % 2 == 0
        self.conv1 = conv(in_channels, out_channels, kernel_size, padding=padding, bias=bias)
        self.conv2 = conv(out_channels, out_channels, kernel_size, padding=padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        for convolution in (self.conv1, self.conv2):
            x = F.relu(convolution(F.pad(x, (0, 1, 0, 1)) if self.is_even else x))
        return x


class UNetDecoder(nn.Module):
    """Upsampling beside the map that the encoder kept, then two convolutions.

    Args:
        conv: Makes the two convolutions.
        width: Channels of the kept map and of the output; the input has twice as many.
        kernel_size: Side of the kernels.
        bias: Whether the two convolutions have biases; the 1x1 convolution has one.
    """

    def __init__(self, conv: ConvFactory, width: int, kernel_size: int, *, bias: bool) -> None:
        super().__init__()
        self.halve = nn.Conv2d(2 * width, width, 1)
        self.level = UNetLevel(conv, 2 * width, width, kernel_size, bias=bias)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """Map (B, 2C, H, W) and (B, C, H', W') to (B, C, H', W')."""
        # A 1x1 convolution and interpolation commute; this order is cheaper than the paper's.
        x = F.interpolate(self.halve(x), size=kept.shape[-2:], mode="bilinear")
        return self.level(torch.cat((kept, x), dim=1))


@ARCHITECTURES.register("unet")
class UNet(nn.Module):
    """U-Net: an encoder of L levels, a decoder of L - 1, a 1x1 convolution to the classes.

    Level l has W 2^l channels and two convolutions without normalisation; 2x2 maximum pooling leads
    to the next. The decoder upsamples bilinearly to the side of the encoder's map, twice for even
    sides, halves the channels by a 1x1 convolution, appends them to the encoder's. `conv` makes
    the 4 L - 2 spatial convolutions, in the order of execution. The layout is not printed: it meets
    all nine counts of figure 12, those of N-Jet with `bias=False`. Every layer is initialised as
    it is made.

    Args:
        conv: Makes the spatial convolutions.
        num_classes: Channels of the output.
        in_channels: Channels of the images.
        num_levels: L, >= 1.
        width: W, >= 1.
        kernel_size: Side of the kernels, >= 1; an even one pads one pixel more at the right and
            bottom.
        bias: Whether the spatial convolutions have biases; those of 1x1 do.

    Shape:
        - input: (B, C, H, W), sides >= 2^(L - 1)
        - output: (B, num_classes, H, W)

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        num_levels: int = 3,
        width: int = 64,
        kernel_size: int = 3,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (
            ("num_levels", num_levels),
            ("width", width),
            ("kernel_size", kernel_size),
        ):
            check_count(name, value)
        check_flag("bias", bias)
        widths = [width * 2**level for level in range(num_levels)]
        channels = [in_channels, *widths]
        self.encoder = nn.ModuleList(
            UNetLevel(conv, before, after, kernel_size, bias=bias)
            for before, after in zip(channels, widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            UNetDecoder(conv, width, kernel_size, bias=bias) for width in reversed(widths[:-1])
        )
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, num_classes, H, W).

        Raises:
            ValueError: If a side is too small for the levels.
            UnsupportedError: If the operator changes the sides.
        """
        images, num_levels = x, len(self.encoder)
        check_sides(x, 2 ** (num_levels - 1), f"num_levels (={num_levels}) halve them")
        kept = []
        for index, level in enumerate(self.encoder):
            x = level(F.max_pool2d(x, 2) if index else x)
            kept.append(x)
        for decoder, before in zip(self.decoder, reversed(kept[:-1]), strict=True):
            x = decoder(x, before)
        check_same_sides(x, images)
        return self.classifier(x)
