"""Operators by name."""

from typing import Any, Protocol

from torch import nn

from kbench.errors import UnsupportedError
from kbench.operators.geometry import Padding, Size
from kbench.registry import OPERATORS, OPERATORS_1D


class ConvFactory(Protocol):
    """What an architecture calls to make a convolution."""

    def __call__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size | str,
        *,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        dims: int = 2,
    ) -> nn.Module:
        """Return a convolution with the arguments of `torch.nn.ConvNd`, N being `dims`.

        `kernel_size` may be a word that the operator understands, as `same`.
        """


def build_operator(
    name: str,
    in_channels: int,
    out_channels: int,
    kernel_size: Size | str,
    *,
    dims: int = 2,
    **arguments: Any,  # noqa: ANN401 - torch's arguments and the operator's options
) -> nn.Module:
    """Build one operator by name.

    Args:
        name: A name of `kbench.registry.OPERATORS`.
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, one side per axis, or a word that the operator understands.
        dims: Number of spatial axes, 1 or 2.
        arguments: `stride padding dilation groups bias` as for `torch.nn.ConvNd`, and the
            operator's options; what is not given takes the operator's own default.

    Raises:
        UnknownNameError: If there is no such operator or option.
        UnsupportedError: If the operator has no form for these dimensions.
        ValueError: If an argument is out of range.
    """
    module = construct_operator(
        name, in_channels, out_channels, kernel_size, dims=dims, **arguments
    )
    finish_operators([module])
    return module


def construct_operator(
    name: str,
    in_channels: int,
    out_channels: int,
    kernel_size: Size | str,
    *,
    dims: int = 2,
    **arguments: Any,  # noqa: ANN401 - torch's arguments and the operator's options
) -> nn.Module:
    """Build one operator of a network; `finish_operators` has to follow once the network stands."""
    if dims not in (1, 2):
        message = f"dims (={dims!r}) must be 1 or 2"
        raise ValueError(message)
    registry = OPERATORS if dims == 2 else OPERATORS_1D
    if dims == 1 and name in OPERATORS and name not in OPERATORS_1D:
        message = f"operator {name!r} has no 1-D form; with one: {', '.join(OPERATORS_1D)}"
        raise UnsupportedError(message)
    torch_arguments = ("stride", "padding", "dilation", "groups", "bias")
    registry.check_options(name, [key for key in arguments if key not in torch_arguments])
    return registry[name](in_channels, out_channels, kernel_size, **arguments)


def finish_operators(modules: list[nn.Module]) -> None:
    """Run `after_init` of every operator class among the modules, once a class."""
    for kind in dict.fromkeys(type(module) for module in modules):
        step = getattr(kind, "after_init", None)
        if step is not None:
            step([module for module in modules if type(module) is kind])
