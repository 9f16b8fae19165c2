import re
from dataclasses import replace

import pytest

from kbench.metrics import find_metric
from kbench.report.collect import collect_cells
from kbench.report.directions import (
    Direction,
    caption,
    drop_empty_levels,
    find_directions,
    metric_label,
)
from kbench.report.headings import Heading
from kbench.report.lookup import find_papers


@pytest.fixture
def directions(make_suite, make_cell, published):
    """Return a function that gives rows and columns of a table of four cells, and its points."""

    def make(scale="full", **table) -> tuple[Direction, Direction, list]:
        suite = make_suite(paper="demo", **table)
        papers = find_papers(suite, suite.tables[0], published)
        cells = [
            make_cell(dataset, operator, scale=scale)
            for dataset in ("digits", "svhn")
            for operator in ("conv", "lc")
        ]
        rows, columns = find_directions(suite.tables[0], papers)
        return rows, columns, collect_cells(cells, suite.tables[0])

    return make


def texts(headings) -> list[tuple[str, ...]]:
    return [heading.texts for heading in headings]


def test_rows_and_columns_are_those_of_the_points(directions) -> None:
    rows, columns, points = directions()
    assert texts(rows.headings(points)) == [("digits",), ("svhn",)]
    assert texts(columns.headings(points)) == [("conv",), ("lc",)]
    assert (rows.names(), columns.names()) == (("dataset",), ("operator",))


def test_labels_of_values_axes_and_metrics_are_printed(directions) -> None:
    labels = {"conv": "Baseline", "dataset": "Data", "loss": "NLL", "metric": ""}
    rows, columns, points = directions(
        labels=labels, metric=["top1", "loss"], metrics_as="rows", parts=["layer1"]
    )
    assert rows.names() == ("Data", "part", "")
    assert texts(rows.headings(points))[:2] == [
        ("digits", "layer1", "top1 ↑ (percent)"),
        ("digits", "layer1", "NLL"),
    ]
    assert texts(columns.headings(points)) == [("Baseline",), ("lc",)]


def test_several_metrics_are_columns_unless_said_otherwise(directions) -> None:
    rows, columns, points = directions(metric=["top1", "loss"])
    assert texts(rows.headings(points)) == [("digits",), ("svhn",)]
    assert texts(columns.headings(points))[2:] == [
        ("lc", "top1 ↑ (percent)"),
        ("lc", "loss ↓ (nats)"),
    ]


def test_groups_have_a_level_of_their_own_without_a_name(directions) -> None:
    rows, _, points = directions(order={"rows": {"Small": ["svhn"], "Smaller": ["digits"]}})
    assert rows.names() == ("", "dataset")
    assert texts(rows.headings(points)) == [("Small", "svhn"), ("Smaller", "digits")]


def test_a_row_of_the_paper_alone_has_the_papers_label(directions) -> None:
    rows, _, points = directions(
        order={"rows": ["tiny_1%", "digits"]}, published={"table": "table1"}
    )
    first, second = rows.headings(points)
    assert (first.texts, first.is_measured) == (("tiny_1%",), False)
    assert (second.texts, second.is_measured) == (("digits",), True)


def test_the_value_of_an_option_has_its_name_in_columns_only(make_suite, make_cell) -> None:
    suite = make_suite(rows="recipe.lr", columns="recipe.batch_size")
    rows, columns = find_directions(suite.tables[0], ())
    points = collect_cells([make_cell()], suite.tables[0])
    assert texts(rows.headings(points)) == [("0.1",)]
    assert texts(columns.headings(points)) == [("batch_size=256",)]
    renamed = make_suite(
        rows="recipe.lr", columns="recipe.batch_size", labels={"recipe.batch_size": "B"}
    )
    _, columns = find_directions(renamed.tables[0], ())
    assert texts(columns.headings(points)) == [("B=256",)]


def test_a_value_that_was_given_a_name_stands_alone(make_suite, make_cell) -> None:
    suite = make_suite(columns="recipe.batch_size", rename={"256": "usual"})
    _, columns = find_directions(suite.tables[0], ())
    points = collect_cells([make_cell()], suite.tables[0])
    assert texts(columns.headings(points)) == [("usual",)]


def test_what_is_derived_stands_behind_and_has_its_label(directions) -> None:
    derived = [{"label": "gain", "column": "lc", "minus": "conv"}]
    rows, columns, points = directions(derived=derived)
    assert texts(columns.headings(points)) == [("conv",), ("lc",), ("gain",)]
    assert (rows.derived, len(columns.derived)) == ([], 1)


def test_footnotes_are_those_of_a_heading_and_of_what_it_stands_under(
    make_suite, make_cell
) -> None:
    notes = {"digits": "eight pixels", "digits/lc": "folded", "svhn": "large"}
    suite = make_suite(rows=["dataset", "operator"], columns="architecture", row_notes=notes)
    cells = [make_cell("digits", "conv"), make_cell("digits", "lc"), make_cell("svhn", "lc")]
    rows, _ = find_directions(suite.tables[0], ())
    found = [heading.notes for heading in rows.headings(collect_cells(cells, suite.tables[0]))]
    assert found == [("eight pixels",), ("folded", "eight pixels"), ("large",)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"order": {"rows": ["digit"]}}, "order.rows: unknown key 'digit'.*'digits'"),
        ({"row_notes": {"digit": "x"}}, "row_notes: unknown key 'digit'"),
        ({"derived": [{"label": "x", "row": "digit", "minus": "svhn"}]}, "derived: unknown key"),
        (
            {"published": {"table": "table1", "rows": {"digit": "digits"}}},
            "published.rows: unknown key 'digit'",
        ),
    ],
    ids=["order", "notes", "derived", "published"],
)
def test_keys_of_no_row_are_refused_at_full_scale_only(directions, table, message) -> None:
    rows, _, points = directions(**table)
    (finding,) = rows.find_unknown(points)
    assert re.match(rf"table 'main': {message}", finding)
    rows, _, points = directions("smoke", **table)
    assert rows.find_unknown(points) == []


def test_the_two_directions_know_their_own_side(directions) -> None:
    published = {"table": "table1", "rows": {"digits": "digits"}, "columns": {"conv": "baseline"}}
    rows, columns, _ = directions(published=published, column_notes={"lc": "x"})
    (paper,) = rows.papers
    assert (dict(rows.mapping(paper)), dict(columns.mapping(paper))) == (
        {"digits": ("digits",)},
        {"conv": ("baseline",)},
    )
    assert (dict(rows.notes), dict(columns.notes)) == ({}, {"lc": "x"})


def test_levels_that_are_empty_everywhere_are_dropped() -> None:
    headings = [Heading(("a", ""), texts=("a", "")), Heading(("b", ""), texts=("b", ""))]
    shown, names = drop_empty_levels(headings, ("outer", "inner"))
    assert (texts(shown), names) == ([("a",), ("b",)], ("outer",))
    mixed = [headings[0], replace(headings[1], texts=("b", "x"))]
    assert drop_empty_levels(mixed, ("outer", "inner")) == (tuple(mixed), ("outer", "inner"))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("top1", "top1 ↑ (percent)"), ("loss", "loss ↓ (nats)"), ("macs", "macs ↓")],
)
def test_a_metric_is_shown_with_direction_and_unit(metric, expected) -> None:
    assert metric_label(find_metric(metric), {}) == expected
    assert metric_label(find_metric(metric), {metric: "Mine"}) == "Mine"


def test_a_caption_names_the_only_metric(make_suite) -> None:
    one, two = make_suite(title="Mine"), make_suite(metric=["top1", "loss"])
    assert caption(one.title, one.tables[0]) == "Mine: top1 ↑ (percent)"
    assert caption(two.title, two.tables[0]) == "Demonstration"
