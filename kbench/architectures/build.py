"""Networks by name."""

from typing import Any

from torch import nn

from kbench.errors import UnsupportedError
from kbench.operators import construct_operator, finish_operators
from kbench.operators.geometry import Padding, Size
from kbench.registry import ARCHITECTURES, OPERATORS

# What `ConvFactory` means where an operator's own default is another.
TORCH_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "dims": 2}


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
        padding_mode: str = "zeros",
        **arguments: Padding | bool,
    ) -> nn.Module:
        """Return an operator for the arguments of `ConvFactory`.

        A `padding_mode` of the network holds where the operator's options do not name one.
        """
        own: dict[str, Any] = {**TORCH_DEFAULTS, **arguments}
        if padding_mode != "zeros":
            if "padding_mode" not in OPERATORS.options(self.operator):
                message = (
                    f"operator {self.operator!r} has no padding_mode, "
                    f"the network needs {padding_mode!r}"
                )
                raise UnsupportedError(message)
            own["padding_mode"] = padding_mode
        sizes = (in_channels, out_channels, kernel_size)
        module = construct_operator(self.operator, *sizes, **(own | self.options))
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
