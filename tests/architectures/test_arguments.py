from typing import Literal

import pytest

from kbench.architectures.arguments import check_choice, check_count, check_share

Colour = Literal["red", "blue"]


def test_what_is_allowed_passes() -> None:
    check_count("width", 1)
    check_count("depth", 0, 0)
    check_share("dropout", 0)
    check_share("dropout", 0.999)
    check_choice("colour", "blue", Colour)


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
