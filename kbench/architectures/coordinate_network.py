"""Networks that draw a picture from coordinates, for the tables of fitted functions.

FlexConv, arXiv 2110.08059: Figure 4 fits filters, Table 5 photographs.
The input is the canvas: it gives the sides, the channels and the device, its values do not matter.

Shapes: B batch, C channels, H and W height and width.
"""

import torch
from torch import Tensor, nn

from kbench.architectures.arguments import check_odd
from kbench.operators import ConvFactory
from kbench.operators.flexconv_options import CKConvOptions, Generator, build_generator
from kbench.operators.kernel_generators import GammaInit
from kbench.operators.window_convolution import without_autocast
from kbench.registry import ARCHITECTURES


@ARCHITECTURES.register("coordinate_network")
class CoordinateNetwork(nn.Module):
    """A generator of kernels that draws a picture on a grid of [-1, 1]^2.

    The grid's first and last points are -1 and 1 on both axes; axis 0 is the height. There is no
    convolution to replace and no class: `conv` and `num_classes` are not used. Autocast is off.
    Initial centres are U(-1, 1), as for all fits of the paper.

    Args:
        conv: Not used.
        num_classes: Not used.
        in_channels: C, the channels of canvas and picture.
        generator: Network that gives the picture (FlexConv, section 3.2; `gabor` is the MGN).
        hidden: Width of the network.
        layers: Hidden linear layers; for `siren` all linear layers.
        input_scale: Factor of the initial frequencies; by default 256, as in the paper's code for
            fits. Not siren.
        anisotropic: Whether envelopes have a width an axis; by default only for `magnet`.
        gamma_init: Whether the initial widths shrink with depth, `per_layer`; by default only for
            `magnet`. It is the "improved" initialisation of Table 5.
        omega_0: Frequency factor of `siren`.

    Shape:
        - input: (B, C, H, W)
        - output: (B, C, H, W), B times the same picture

    Raises:
        TypeError: If a switch is not a bool.
        ValueError: If an argument is out of range, the generator has no such option, or the canvas
            has a side of less than 2 or other channels.
    """

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        generator: Generator = "magnet",
        hidden: int = 32,
        layers: int = 3,
        input_scale: float | None = None,
        anisotropic: bool | None = None,
        gamma_init: GammaInit | None = None,
        omega_0: float = 30.0,
    ) -> None:
        super().__init__()
        del conv, num_classes
        if generator != "siren" and input_scale is None:
            input_scale = 256.0
        options = CKConvOptions(
            generator=generator,
            hidden=hidden,
            layers=layers,
            input_scale=input_scale,
            anisotropic=anisotropic,
            gamma_init=gamma_init,
            omega_0=omega_0,
        )
        self.channels = in_channels
        self.generator = build_generator(options, 2, in_channels, [1.0, 1.0])

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture (B, C, H, W) for a canvas (B, C, H, W)."""
        _check_canvas(x, self.channels)
        bias = self.generator.out.bias
        dtype = torch.promote_types(bias.dtype, torch.float32)
        with without_autocast(bias.device):
            axes = [torch.linspace(-1, 1, n, dtype=dtype, device=bias.device) for n in x.shape[2:]]
            picture = self.generator(axes)  # (C, H * W)
        return picture.view(1, *x.shape[1:]).expand_as(x)


@ARCHITECTURES.register("impulse_response")
class ImpulseResponse(nn.Module):
    """One convolution of an impulse: the operator's kernel as a picture.

    Fitting the picture asks which kernels an operator can have (FlexConv, Figure 4). The impulse is
    the centre of the canvas, and the response is mirrored, so tap (i, j) of a kernel as large as
    the canvas is pixel (i, j). A smaller kernel lies in the middle of zeros, a larger one is cut.

    Args:
        conv: Makes the convolution: from 1 channel to C, without bias.
        num_classes: Not used.
        in_channels: C, the channels of canvas and picture.
        kernel_size: Side of the kernel, odd.

    Shape:
        - input: (B, C, H, W), H and W odd
        - output: (B, C, H, W), B times the same picture

    Raises:
        ValueError: If `kernel_size` is not odd, or the canvas has an even side or other channels.
    """

    def __init__(
        self, conv: ConvFactory, num_classes: int, in_channels: int, *, kernel_size: int = 33
    ) -> None:
        super().__init__()
        del num_classes
        check_odd("kernel_size", kernel_size)
        self.channels = in_channels
        self.conv = conv(1, in_channels, kernel_size, padding="same", bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture (B, C, H, W) for a canvas (B, C, H, W)."""
        _check_canvas(x, self.channels)
        height, width = x.shape[2:]
        if height % 2 == 0 or width % 2 == 0:
            message = (
                f"canvas (={height}x{width}) must have odd sides, for its impulse is the centre"
            )
            raise ValueError(message)
        impulse = x.new_zeros(1, 1, height, width)
        impulse[..., height // 2, width // 2] = 1
        return self.conv(impulse).flip((2, 3)).expand_as(x)


def _check_canvas(x: Tensor, channels: int) -> None:
    if x.dim() != 4 or x.shape[1] != channels or min(x.shape[2:]) < 2:
        message = (
            f"canvas (={tuple(x.shape)}) must be (B, {channels}, H, W) with sides of at least 2"
        )
        raise ValueError(message)
