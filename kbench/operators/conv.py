"""The plain convolution: the baseline of every table."""

from typing import ClassVar, Literal

from torch import nn

from kbench.operators.geometry import Padding, Size
from kbench.registry import OPERATORS, OPERATORS_1D

Init = Literal["uniform", "normal_fan_out"]


class _Conv(nn.Module):
    """Options of the plain convolution, for `torch.nn.Conv1d` and `torch.nn.Conv2d` alike."""

    version: ClassVar[int] = 1

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
        torch_arguments = (stride, padding, dilation, groups, bias, padding_mode)
        super().__init__(in_channels, out_channels, kernel_size, *torch_arguments)
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
        padding_mode: As for `torch.nn.Conv2d`.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: As `torch.nn.Conv2d`, or if `init` is unknown.

    Example:
        >>> import torch
        >>> Conv2d(3, 8, 3, padding=1)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """
