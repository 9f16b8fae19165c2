from dataclasses import replace

import pytest

from kbench.cell import Limit
from kbench.report.collect import Point
from kbench.report.outcome import Outcome
from kbench.report.protocol import is_papers_protocol, protocol_differences


@pytest.fixture
def make_points(make_cell):
    def make(*recipes):
        cell = make_cell()
        return [
            Point(
                (f"row{number}",),
                ("column",),
                (Outcome(replace(cell, recipe=replace(cell.recipe, **recipe)), "ok", "", {}),),
            )
            for number, recipe in enumerate(recipes)
        ]

    return make


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"scale": "small"}, False),
        ({"limit": Limit(100, None)}, False),
        ({"limit": Limit(None, 100)}, False),
    ],
    ids=["full", "small", "train", "test"],
)
def test_the_papers_protocol_is_the_full_scale_with_all_images(make_cell, changes, expected):
    assert is_papers_protocol(make_cell(**changes)) is expected


def test_what_most_points_have_is_usual(make_points, make_suite):
    points = make_points({"batch_size": 64}, {}, {"precision": "bf16", "batch_size": 64}, {}, {})
    assert protocol_differences(points, make_suite().tables[0]) == {
        (("row0",), ("column",)): "batch_size 64 instead of 256",
        (("row2",), ("column",)): "precision bf16 instead of fp32, batch_size 64 instead of 256",
    }


def test_other_fields_of_a_recipe_may_differ(make_points, make_suite):
    points = make_points({"lr": 0.2}, {"epochs": 3}, {})
    assert protocol_differences(points, make_suite().tables[0]) == {}


def test_an_axis_of_the_table_may_differ(make_points, make_suite):
    spec = make_suite(rows="recipe.batch_size").tables[0]
    assert protocol_differences(make_points({"batch_size": 64}, {}), spec) == {}
