"""Arguments that families of networks share, and their checks."""

from typing import Literal, get_args

from torch import Tensor

from kbench.errors import UnsupportedError

AdaptiveSize = Literal["same", "full"]  # kernel sizes that follow the first input


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse what is not an integer of at least `least`.

    Raises:
        ValueError: Names the argument and its value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"{name} (={value!r}) must be an integer >= {least}"
        raise ValueError(message)


def check_share(name: str, value: object) -> None:
    """Refuse what is not a number of at least 0 and less than 1.

    Raises:
        ValueError: Names the argument and its value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        message = f"{name} (={value!r}) must be a number >= 0 and < 1"
        raise ValueError(message)


def check_choice(name: str, value: object, choices: object) -> None:
    """Refuse what is none of the values of a `Literal`.

    Raises:
        ValueError: Names the argument, its value and the choices.
    """
    if value not in get_args(choices):
        message = f"{name} (={value!r}) must be one of {list(get_args(choices))}"
        raise ValueError(message)


def check_odd(name: str, value: int) -> None:
    """Refuse what is not an odd integer of at least 1.

    Raises:
        ValueError: Names the argument and its value.
    """
    check_count(name, value)
    if value % 2 == 0:
        message = f"{name} (={value}) must be odd"
        raise ValueError(message)


def check_multiple(name: str, value: int, of: int) -> None:
    """Refuse what is not a positive multiple of `of`.

    Raises:
        ValueError: Names the argument, its value and `of`.
    """
    check_count(name, value, of)
    if value % of:
        message = f"{name} (={value}) must be a multiple of {of}"
        raise ValueError(message)


def check_flag(name: str, value: object) -> None:
    """Refuse what is not true or false.

    Raises:
        ValueError: Names the argument and its value.
    """
    if not isinstance(value, bool):
        message = f"{name} (={value!r}) must be true or false"
        raise ValueError(message)  # noqa: TRY004 - every wrong argument is a ValueError


def check_axes(x: Tensor, axes: str) -> None:
    """Refuse an input that is no batch of what a network is for.

    Args:
        x: The input.
        axes: Its axes, such as "(B, C, H, W)".

    Raises:
        UnsupportedError: Names the shape and the axes.
    """
    if x.dim() != len(axes.split(",")):
        message = f"input (={tuple(x.shape)}) must be {axes}"
        raise UnsupportedError(message)


def check_sides(x: Tensor, least: int, reason: str) -> None:
    """Refuse an input (B, C, H, W) with a side that is too small for a network.

    Args:
        x: The input.
        least: The smallest side that the network takes.
        reason: What in the network needs it.

    Raises:
        ValueError: Names the sides, the least one and the reason.
    """
    sides = tuple(x.shape[-2:])
    if min(sides) < least:
        message = f"input sides (={sides}) must be >= {least}: {reason}"
        raise ValueError(message)


def check_same_sides(x: Tensor, expected: Tensor) -> None:
    """Refuse maps (B, C, H, W) that an operator gave other sides than a network needs.

    Raises:
        UnsupportedError: Names the sides and the expected ones.
    """
    if x.shape[-2:] != expected.shape[-2:]:
        sides, others = tuple(x.shape[-2:]), tuple(expected.shape[-2:])
        message = f"the operator leaves sides {sides} where the network needs {others}"
        raise UnsupportedError(message)
