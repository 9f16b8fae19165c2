"""Depthwise separable convolution: the fair baseline of NIFF's split form.

NIFF, section 3 of its specification, asks for it [ours]: the split form factorises a dense kernel
into a filter a channel and a 1x1, so this does the same with filters of K x K weights.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, S spatial sides.
"""

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from kbench.operators.geometry import PLAIN_MODULES, Geometry, Padding, Size
from kbench.registry import OPERATORS, OPERATORS_1D

Init = Literal["uniform", "normal_fan_in", "normal_fan_out"]
NORMALS: dict[str, Literal["fan_in", "fan_out"]] = {
    "normal_fan_in": "fan_in",
    "normal_fan_out": "fan_out",
}


class _Separable(nn.Module):
    """Separable convolution in `dims` dimensions."""

    version: ClassVar[int] = 1
    dims: ClassVar[int]
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
        init: Init = "uniform",
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        places = (kernel_size, stride, padding, dilation)
        self.geometry = Geometry.of(
            in_channels, out_channels, *places, groups, dims=self.dims, padding_mode=padding_mode
        )
        if init not in get_args(Init):
            message = f"init (={init!r}) must be one of {list(get_args(Init))}"
            raise ValueError(message)
        plain = PLAIN_MODULES[self.dims]
        is_dense = not groups == in_channels == out_channels
        has_taps = self.geometry.num_taps > 1 or not is_dense
        self.has_bias = bias
        self.depthwise: nn.Module | None = None
        self.pointwise: nn.Module | None = None
        if has_taps:
            sizes = (in_channels, in_channels, *places, in_channels)
            self.depthwise = plain(*sizes, bias and not is_dense, padding_mode)
        if is_dense:
            rest = (1, 1, 0, 1) if has_taps else places
            self.pointwise = plain(in_channels, out_channels, *rest, groups, bias, padding_mode)
        self._initialise(init)

    @property
    def num_params(self) -> int:
        """Number of parameters: a filter a channel, I O / G of the 1x1, and the bias."""
        geometry, outputs = self.geometry, self.geometry.out_channels
        filters = geometry.in_channels * geometry.num_taps * (self.depthwise is not None)
        mixing = geometry.in_channels // geometry.groups * outputs * (self.pointwise is not None)
        return filters + mixing + outputs * self.has_bias

    def _initialise(self, init: Init) -> None:
        for stage in (self.depthwise, self.pointwise):
            if stage is not None and init in NORMALS:
                weight = stage.get_parameter("weight")
                nn.init.kaiming_normal_(weight, mode=NORMALS[init], nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S')."""
        for stage in (self.depthwise, self.pointwise):
            x = x if stage is None else stage(x)
        return x

    def effective_kernel(self, size: Size | None = None) -> Tensor:
        """Return the (O, I/G, *K) kernel that both stages amount to, whatever the input's size."""
        del size
        if self.depthwise is None or self.pointwise is None:
            return (self.depthwise or self.pointwise or self).get_parameter("weight")
        groups = self.geometry.groups
        filters = self.depthwise.get_parameter("weight").flatten(1)  # (I, taps)
        filters = filters.view(groups, 1, -1, filters.shape[1])  # (G, 1, I/G, taps)
        mixing = self.pointwise.get_parameter("weight").flatten(1)  # (O, I/G)
        mixing = mixing.view(groups, -1, mixing.shape[1], 1)  # (G, O/G, I/G, 1)
        return torch.mul(mixing, filters).reshape(self.geometry.weight_shape)


@OPERATORS_1D.register("separable")
class Separable1d(_Separable):
    """1-D form of `Separable2d`."""

    dims = 1


@OPERATORS.register("separable")
class Separable2d(_Separable):
    """2-D convolution of every channel, then a 1x1 convolution, nothing between.

    Where NIFF's split form needs 120 + 10 I + I O weights this needs 9 I + I O for a 3x3 kernel
    (NIFF, section 5.1). What cannot be factorised further stays whole, as NIFF's forms do: a
    depthwise convolution (G = I = O) has no 1x1 behind it, and a dense one of one tap is the 1x1
    alone. It is a plain convolution with `effective_kernel()`, which costs more to apply, so there
    is no folded form.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, or (height, width).
        stride: Distance between output positions, in input pixels; of the first stage.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps, in input pixels.
        groups: G, of the 1x1 stage; divides I and O.
        bias: Whether a learnable vector of length O is added to the output; none lies between.
        init: Of both stages: `uniform` is torch's default; the others are Kaiming's normal with the
            ReLU gain, as networks draw the convolutions that this replaces.
        padding_mode: As for `torch.nn.Conv2d`.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> Separable2d(3, 8, 3, padding=1)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """

    dims = 2
