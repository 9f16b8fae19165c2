"""Networks by name."""

from typing import Any

from torch import nn

from kbench.operators import construct_operator, finish_operators
from kbench.operators.geometry import Padding, Size
from kbench.registry import ARCHITECTURES, OPERATORS


class _RecordingFactory:
    """`ConvFactory` of one operator, which remembers what it made.

    Attributes:
        modules: The operators made so far, in order.
    """

    def __init__(self, operator: str, options: dict[str, Any]) -> None:
        OPERATORS.check_options(operator, options)
        self.operator, self.options = operator, options
        self.modules: list[nn.Module] = []

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
        module = construct_operator(
            self.operator,
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            dims=dims,
            **self.options,
        )
        self.modules.append(module)
        return module


def build_architecture(
    name: str,
    *,
    operator: str = "conv",
    operator_options: dict[str, Any] | None = None,
    num_classes: int = 10,
    in_channels: int = 3,
    **options: Any,  # noqa: ANN401 - the architecture's own
) -> nn.Module:
    """Build a network by name, with one operator in place of its spatial convolutions.

    Args:
        name: A name of `kbench.registry.ARCHITECTURES`.
        operator: A name of `kbench.registry.OPERATORS`.
        operator_options: The operator's options; what is not given takes the operator's default.
        num_classes: Outputs of the network, >= 2.
        in_channels: Channels of the images, >= 1.
        options: The architecture's options; what is not given takes the architecture's default.

    Raises:
        UnknownNameError: If there is no such architecture, operator or option.
        UnsupportedError: If the operator has no form that the network needs.
        ValueError: If an argument is out of range.
    """
    ARCHITECTURES.check_options(name, options)
    _check_count("num_classes", num_classes, 2)
    _check_count("in_channels", in_channels, 1)
    conv = _RecordingFactory(operator, operator_options or {})
    network = ARCHITECTURES[name](conv, num_classes, in_channels, **options)
    finish_operators(conv.modules)
    return network


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"{name} (={value!r}) must be an integer >= {least}"
        raise ValueError(message)
