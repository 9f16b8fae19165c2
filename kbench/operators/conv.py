"""The plain convolution: the baseline of every table."""

from typing import ClassVar, Literal

from torch import nn

from kbench.operators.geometry import Geometry, Padding, Size
from kbench.registry import OPERATORS, OPERATORS_1D

Init = Literal["uniform", "normal_fan_out"]


class _Conv(nn.Module):
    """Options of the plain convolution, for `torch.nn.Conv1d` and `torch.nn.Conv2d` alike."""

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
        frozen: bool = False,
        init: Init = "uniform",
        padding_mode: str = "zeros",
    ) -> None:
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        Geometry.of(*sizes, dims=self.dims, padding_mode=padding_mode)
        super().__init__(*sizes, bias, padding_mode)
        if init not in ("uniform", "normal_fan_out"):
            message = f"init (={init!r}) must be 'uniform' or 'normal_fan_out'"
            raise ValueError(message)
        weight = self.get_parameter("weight")
        if init == "normal_fan_out":
            nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
        is_spatial = weight[0, 0].numel() > 1
        weight.requires_grad_(not (frozen and is_spatial))


@OPERATORS_1D.register("conv")
class Conv1d(_Conv, nn.Conv1d):
    """1-D form of `Conv2d`."""

    dims = 1


@OPERATORS.register("conv")
class Conv2d(_Conv, nn.Conv2d):
    """Plain 2-D convolution, `torch.nn.Conv2d` with two options.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, or (height, width).
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps, in input pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O is added to the output.
        frozen: Keep the initial weight, if the kernel has more than one tap (LC, section 2.6).
        init: `uniform` is torch's default; `normal_fan_out` is Kaiming's normal with the ReLU gain.
            In networks that are finished before convolutions are replaced, their own start holds.
        padding_mode: As for `torch.nn.Conv2d`.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: If a size is not positive or `init` is unknown, or as `torch.nn.Conv2d`.

    Example:
        >>> import torch
        >>> Conv2d(3, 8, 3, padding=1)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """

    dims = 2

    def with_reach(self, reach: int) -> "Conv2d":
        """Return a convolution of the same weight and bias, dilated, that keeps the input's side.

        Args:
            reach: Pixels from the centre of the kernel to its outermost taps.

        Raises:
            ValueError: If the reach is no positive multiple of the kernel's, or the kernel is even.
        """
        halves = [side // 2 for side in self.kernel_size]
        for side, half in zip(self.kernel_size, halves, strict=True):
            if side % 2 == 0 or half == 0 or reach < 1 or reach % half:
                message = f"kernel_size (={self.kernel_size}) cannot reach {reach} pixels"
                raise ValueError(message)
        sizes = (self.in_channels, self.out_channels, self.kernel_size, self.stride, reach)
        dilation = tuple(reach // half for half in halves)
        twin = Conv2d(
            *sizes,
            dilation,
            self.groups,
            self.bias is not None,
            padding_mode=self.padding_mode,
        )
        twin.weight, twin.bias = self.weight, self.bias
        return twin
