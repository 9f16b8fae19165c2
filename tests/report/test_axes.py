from dataclasses import replace

import pytest

from kbench.cell import Choice, Limit
from kbench.report import axes


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("dataset", "digits"),
        ("operator", "frozen"),
        ("operator.expansion", "8"),
        ("operator.frozen", "true"),
        ("recipe.batch_size", "256"),
        ("recipe.augmentation.flip", "false"),
        ("recipe.clip_norm", "null"),
        ("recipe", "long"),
    ],
)
def test_a_cell_has_a_label_on_every_axis(make_cell, axis, expected):
    operator = Choice("lc", {"expansion": 8}, "frozen")
    cell = make_cell(operator=operator, recipe_label="long")
    assert axes.path_reader((axis,))(cell) == (expected,)


def test_an_option_that_an_operator_does_not_have_is_a_dash(make_cell):
    assert axes.path_reader(("operator.expansion",))(make_cell()) == ("-",)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"operator": ("learned",)}, True),
        ({"operator": ("lc",)}, True),
        ({"operator": ("conv", "lc"), "dataset": ("digits",)}, True),
        ({"operator": ("lc",), "dataset": ("svhn",)}, False),
        ({"operator.expansion": (8,)}, True),
        ({"operator.expansion": (16,)}, False),
    ],
    ids=["label", "name", "both", "other", "option", "other-option"],
)
def test_cells_are_filtered_by_label_or_name(make_cell, where, expected):
    cell = make_cell(operator=Choice("lc", {"expansion": 8}, "learned"))
    assert axes.where_filter(where)(cell) is expected


def test_equal_outer_labels_come_side_by_side_in_the_order_of_appearance():
    paths = [("b", "1"), ("a", "2"), ("b", "2"), ("a", "1"), ("b", "1")]
    assert axes.order(paths) == [("b", "1"), ("b", "2"), ("a", "1"), ("a", "2")]


def test_no_paths_have_an_order():
    assert axes.order([]) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": 7}, []),
        ({"dataset": "svhn"}, ["dataset"]),
        ({"operator": Choice("conv", {"a": 1, "b": 2})}, ["operator.a", "operator.b"]),
        ({"limit": Limit(8), "scale": "small"}, ["scale", "limit"]),
    ],
    ids=["seed", "name", "options", "limit"],
)
def test_cells_differ_in_the_axes_that_are_named(make_cell, changes, expected):
    assert list(axes.differences(make_cell(), make_cell(**changes))) == expected


def test_recipes_differ_in_fields(make_cell):
    cell = make_cell()
    other = replace(cell, recipe=replace(cell.recipe, lr=0.2, precision="bf16"))
    assert list(axes.differences(cell, other)) == ["recipe.lr", "recipe.precision"]
