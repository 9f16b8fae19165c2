from typing import Literal

import pytest
import torch

from kbench.architectures.arguments import (
    check_choice,
    check_count,
    check_flag,
    check_multiple,
    check_odd,
    check_same_sides,
    check_share,
    check_sides,
)
from kbench.errors import UnsupportedError

Colour = Literal["red", "blue"]


def test_what_is_allowed_passes() -> None:
    check_count("width", 1)
    check_count("depth", 0, 0)
    check_share("dropout", 0)
    check_share("dropout", 0.999)
    check_choice("colour", "blue", Colour)
    check_odd("kernel_size", 1)
    check_multiple("width", 12, 6)
    check_flag("bias", False)  # noqa: FBT003 - the value that is checked
    check_sides(torch.zeros(1, 1, 4, 5), 4, "pooled twice")
    check_same_sides(torch.zeros(1, 1, 4, 5), torch.zeros(2, 3, 4, 5))


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None], ids=repr)
def test_refuses_what_is_no_count(value: object) -> None:
    with pytest.raises(ValueError, match=rf"width \(={value!r}\) must be an integer >= 1"):
        check_count("width", value)


@pytest.mark.parametrize("value", [-0.1, 1, 1.0, float("nan"), False, "0"], ids=repr)
def test_refuses_what_is_no_share(value: object) -> None:
    with pytest.raises(ValueError, match=rf"dropout \(={value!r}\) must be a number >= 0 and < 1"):
        check_share("dropout", value)


@pytest.mark.parametrize("value", ["green", None, "RED"], ids=repr)
def test_refuses_what_is_no_choice(value: object) -> None:
    expected = rf"colour \(={value!r}\) must be one of \['red', 'blue'\]"
    with pytest.raises(ValueError, match=expected):
        check_choice("colour", value, Colour)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(4, r"side \(=4\) must be odd"), (0, r"side \(=0\) must be an integer >= 1")],
    ids=["even", "zero"],
)
def test_refuses_what_is_not_odd(value: int, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_odd("side", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, r"width \(=7\) must be a multiple of 6"), (5, r"width \(=5\) must be an integer >= 6")],
    ids=["rest", "less"],
)
def test_refuses_what_is_no_multiple(value: int, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_multiple("width", value, 6)


@pytest.mark.parametrize("value", [0, 1, None, "true"], ids=repr)
def test_refuses_what_is_no_flag(value: object) -> None:
    with pytest.raises(ValueError, match=rf"bias \(={value!r}\) must be true or false"):
        check_flag("bias", value)


def test_names_sides_that_are_too_small() -> None:
    expected = r"input sides \(=\(5, 3\)\) must be >= 4: pooled twice"
    with pytest.raises(ValueError, match=expected):
        check_sides(torch.zeros(1, 1, 5, 3), 4, "pooled twice")


def test_names_sides_that_differ() -> None:
    expected = r"the operator leaves sides \(4, 5\) where the network needs \(5, 5\)"
    with pytest.raises(UnsupportedError, match=expected):
        check_same_sides(torch.zeros(1, 1, 4, 5), torch.zeros(1, 1, 5, 5))
