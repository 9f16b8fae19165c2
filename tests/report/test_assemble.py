import pytest

from kbench.errors import SuiteError
from kbench.report.assemble import assemble
from kbench.report.best import find_best
from kbench.report.collect import collect
from kbench.report.outcome import Outcome


@pytest.fixture
def build(make_suite, make_cell):
    """Return a function that makes a table of cells, each with a top-1 of 90 plus its place."""

    def build(cells=None, paper=None, **table):
        suite = make_suite(paper=paper, **table)
        cells = cells or [
            make_cell(data, op) for data in ("digits", "svhn") for op in ("conv", "lc")
        ]
        outcomes = [Outcome(cell, "ok", "", {"top1": 90.0 + n}) for n, cell in enumerate(cells)]
        points = collect(outcomes, suite.tables[0])
        standings = find_best(points, suite.tables[0])
        return assemble(suite, suite.tables[0], points, standings, ())

    return build


def test_every_value_stands_in_its_row_and_column(build) -> None:
    table = build()
    values = {
        (row.key, column.key): entry.value
        for row, entries in zip(table.rows, table.entries, strict=True)
        for column, entry in zip(table.columns, entries, strict=True)
    }
    assert values == {
        ("digits", "conv"): 90.0,
        ("digits", "lc"): 91.0,
        ("svhn", "conv"): 92.0,
        ("svhn", "lc"): 93.0,
    }
    assert [entry.is_best for entry in table.all_entries] == [False, True, False, True]


def test_the_table_is_called_as_the_suite_says(build) -> None:
    table = build(title="Mine", paper="demo")
    assert (table.suite, table.id, table.caption) == ("demo", "main", "Mine: top1 ↑ (percent)")
    assert (table.paper, table.row_axes, table.column_axes) == ("demo", ("dataset",), ("operator",))
    assert build().paper == ""


def test_scales_are_named_once_each(build, make_cell) -> None:
    cells = [
        make_cell("digits", scale="smoke"),
        make_cell("svhn", scale="small"),
        make_cell("digits", "lc", scale="smoke"),
    ]
    assert build(cells).scales == ("smoke", "small")


def test_a_place_without_cells_is_empty(build, make_cell) -> None:
    table = build([make_cell("digits", "conv"), make_cell("svhn", "lc")])
    missing = table.entries[0][1]
    assert (missing.value, missing.text, missing.has_cells) == (None, "-", False)


def test_levels_that_labels_hide_are_left_out_of_rows(build) -> None:
    axes = ["dataset", "architecture"]
    assert build(rows=axes).row_names == ("dataset", "architecture")
    hidden = build(rows=axes, labels={"resnet20_cifar": ""})
    assert hidden.row_names == ("dataset",)
    assert [row.texts for row in hidden.rows] == [("digits",), ("svhn",)]


def test_a_key_that_belongs_nowhere_is_refused(build) -> None:
    with pytest.raises(SuiteError, match=r"table 'main': column_notes: unknown key 'lcs'"):
        build(column_notes={"lcs": "x"})
