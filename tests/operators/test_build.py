"""Operators by name, and what is refused on the way."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch
from torch import nn

from kbench.errors import UnknownNameError, UnsupportedError
from kbench.operators import build_operator, construct_operator, finish_operators
from kbench.operators.niff import NIFF1d, NIFF2d
from kbench.registry import OPERATORS


class Counted(nn.Conv2d):
    """A convolution that notes its static step."""

    seen: ClassVar[list[list[nn.Module]]] = []

    @staticmethod
    def after_init(modules: list[nn.Module]) -> None:
        """Note the modules of the step."""
        Counted.seen.append(modules)


class CountedOnce(Counted):
    """Another class, with a step of its own."""


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    Counted.seen.clear()
    yield
    Counted.seen.clear()


@pytest.mark.parametrize(("dims", "kind"), [(1, NIFF1d), (2, NIFF2d)])
def test_the_number_of_axes_chooses_the_class(dims, kind) -> None:
    assert type(build_operator("niff", 4, 4, 3, dims=dims)) is kind


def test_arguments_of_torch_and_options_reach_the_operator() -> None:
    places = {"stride": 2, "padding": (1, 2), "dilation": 2, "groups": 2, "bias": False}
    found = build_operator("conv", 4, 6, (3, 5), **places, frozen=True)
    plain = nn.Conv2d(4, 6, (3, 5), **places)
    assert found.weight.shape == plain.weight.shape
    assert found.bias is None
    assert not found.weight.requires_grad
    x = torch.randn(1, 4, 20, 20)
    plain.load_state_dict(found.state_dict())
    torch.testing.assert_close(found(x), plain(x))


def test_what_is_not_given_takes_the_operators_default() -> None:
    assert build_operator("conv", 2, 2, 3).bias is not None  # as torch
    assert build_operator("niff", 2, 2, 3).bias is None  # as the paper


@pytest.mark.parametrize(
    ("name", "options", "error", "text"),
    [
        ("nif", {}, UnknownNameError, r"unknown operator 'nif' \(did you mean 'niff'\?\)"),
        ("niff", {"froms": "full"}, UnknownNameError, "operator 'niff' has no option 'froms'"),
        ("niff", {"dims": 3}, ValueError, r"dims \(=3\) must be 1 or 2"),
        ("circular", {"dims": 1}, UnsupportedError, "operator 'circular' has no 1-D form"),
        ("nif", {"dims": 1}, UnknownNameError, "unknown 1-D operator 'nif'"),
        ("niff", {"dilation": 2}, UnsupportedError, r"dilation \(=2\) must be 1"),
    ],
    ids=["name", "option", "dims", "form", "name in 1-D", "argument"],
)
def test_wrong_use_is_named(name, options, error, text) -> None:
    with pytest.raises(error, match=text):
        build_operator(name, 4, 4, 3, **options)


def test_the_step_after_the_start_runs_once_a_class_in_order_of_construction() -> None:
    first, second, other = Counted(1, 1, 1), Counted(1, 1, 1), CountedOnce(1, 1, 1)
    finish_operators([first, nn.Conv2d(1, 1, 1), other, second])
    assert Counted.seen == [[first, second], [other]]


@pytest.fixture
def _counted_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATORS._entries, "counted", Counted)


@pytest.mark.usefixtures("_counted_is_known")
def test_a_single_operator_is_finished_and_one_of_a_network_is_not_yet() -> None:
    construct_operator("counted", 1, 1, 1)
    assert Counted.seen == []
    built = build_operator("counted", 1, 1, 1)
    assert Counted.seen == [[built]]
