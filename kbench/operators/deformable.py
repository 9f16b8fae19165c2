"""Deformable convolution, the comparator of N-Jet's Table 5.

Dai et al., Deformable convolutional networks, arXiv 1703.06211, as torchvision computes it.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, H and W input
height and width, H' and W' of the output.
"""

from functools import cache
from importlib import import_module
from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from kbench.operators.geometry import PLAIN_MODULES, Geometry, Padding, Size
from kbench.operators.precision import computing_dtype, without_autocast
from kbench.registry import OPERATORS


@OPERATORS.register("deformable")
class DeformableConv2d(nn.Module):
    r"""2-D convolution whose taps move, each by an offset that depends on place and image.

    Tap p of the kernel reads the input at :math:`p_0 + p + \Delta p(p_0)`, between pixels by
    bilinear interpolation and zero outside of the padded input. The offsets come from a convolution
    of the same geometry with 2 K_h K_w outputs whose weight and bias start at zero, so that the
    operator starts as the plain convolution of the same seed (section 2.1 there). One set of
    offsets moves all channels, and there are no factors for the taps, which only the second version
    of the paper has. Offsets and sampling run in single precision at least; an offset that is not
    finite gives outputs that are not.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, or (height, width).
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps before they move, in input pixels.
        groups: G; divides I and O. The offsets' convolution has none.
        bias: Whether a learnable vector of length O is added to the output.
        padding_mode: What is added, as for `torch.nn.Conv2d`; beyond it lie zeros.

    Shape:
        - input: (B, I, H, W) or (I, H, W), floating point
        - output: (B, O, H', W') or (O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> DeformableConv2d(3, 8, 3, padding=1)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """

    version: ClassVar[int] = 1
    dims: ClassVar[int] = 2
    is_translation_equivariant: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        _count_operations()
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.geometry = Geometry.of(*sizes, dims=2, padding_mode=padding_mode)
        plain = PLAIN_MODULES[2](*sizes, bias)
        self.weight, self.bias = plain.weight, plain.bias
        num_offsets = 2 * self.geometry.num_taps
        shape = (num_offsets, in_channels, *self.geometry.kernel_size)
        self.offset_weight = nn.Parameter(torch.zeros(shape))
        self.offset_bias = nn.Parameter(torch.zeros(num_offsets))

    @property
    def num_params(self) -> int:
        """Number of parameters: weight and bias, and 2 K_h K_w (I K_h K_w + 1) of the offsets."""
        geometry = self.geometry
        inputs = geometry.in_channels * geometry.num_taps
        outputs = geometry.out_channels * (geometry.fan_in + (self.bias is not None))
        return outputs + 2 * geometry.num_taps * (inputs + 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, H, W) to (B, O, H', W'), or the same without the batch axis."""
        # Importing torchvision takes as long as importing torch.
        from torchvision.ops import deform_conv2d

        if x.dim() == 3:
            return self(x[None])[0]
        geometry = self.geometry
        with without_autocast(x):
            dtype = computing_dtype(x)
            padded = geometry.pad(x).to(dtype)
            weight, offset_weight, offset_bias = (
                p.to(dtype) for p in (self.weight, self.offset_weight, self.offset_bias)
            )
            stride, dilation = geometry.stride, geometry.dilation
            offsets = F.conv2d(padded, offset_weight, offset_bias, stride, 0, dilation)
            bias = None if self.bias is None else self.bias.to(dtype)
            # A NaN among the offsets would be read as a place far outside of the memory.
            places = offsets.nan_to_num(0.0, 0.0, 0.0)  # (B, 2 K_h K_w, H', W')
            y = deform_conv2d(padded, places, weight, bias, stride, dilation=dilation)
            y = y + 0 * offsets.sum(1, keepdim=True)  # (B, O, H', W')
            return y.to(x.dtype)

    def extra_repr(self) -> str:
        """Return the arguments that matter in a printed network."""
        geometry = self.geometry
        return (
            f"{geometry.in_channels}, {geometry.out_channels}, "
            f"kernel_size={geometry.kernel_size}, stride={geometry.stride}"
        )


@cache
def _count_operations() -> None:
    """Let torch's counter of operations count the taps, as it counts those of a convolution."""
    # Importing torchvision takes as long as importing torch.
    import_module("torchvision.ops")
    register_flop_formula(torch.ops.torchvision.deform_conv2d)(_operations)


def _operations(
    x: torch.Size,
    weight: torch.Size,
    *_: object,
    out_shape: torch.Size,
    **__: object,
) -> int:
    """Return two operations a tap, channel and output, (B, O, H', W')."""
    del x
    return 2 * prod(out_shape) * prod(weight[1:])
