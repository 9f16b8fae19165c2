import math
from dataclasses import replace

import pytest

from kbench.errors import SuiteError, UnknownNameError
from kbench.metrics import find_metric
from kbench.report.build import build_tables
from kbench.report.outcome import read_outcomes
from kbench.report.table import Entry


@pytest.fixture
def places(table):
    """Return the entries of the demonstration by row and column key."""
    return {
        (row.key, column.key): entry
        for row, entries in zip(table.rows, table.entries, strict=True)
        for column, entry in zip(table.columns, entries, strict=True)
    }


def test_rows_and_columns_have_the_order_of_the_suite(table):
    assert [row.key for row in table.rows] == ["digits", "tiny_1%", "svhn"]
    assert [column.key for column in table.columns] == ["conv", "lc", "lc - conv"]


@pytest.mark.parametrize(
    ("row", "column", "mean", "std", "n"),
    [
        ("digits", "conv", 91.0, 1.0, 3),
        ("digits", "lc", 280 / 3, math.sqrt(7 / 3), 3),
        ("tiny_1%", "conv", 98.5, 0.5, 3),
        ("svhn", "conv", 50.1, math.sqrt(0.02), 2),
        ("digits", "lc - conv", 7 / 3, math.sqrt(1 / 3), 3),
        ("svhn", "lc - conv", 10.91, math.sqrt(0.0162), 2),
    ],
)
def test_means_and_deviations_are_those_computed_by_hand(places, row, column, mean, std, n):
    entry = places[row, column]
    # Sums of three decimals: rounding of the last digits.
    assert entry.value == pytest.approx(mean, rel=1e-12)
    assert entry.std == pytest.approx(std, rel=1e-9)
    assert entry.n == n


def test_best_and_second_are_those_computed_by_hand(places):
    # digits: differences 2, 2, 3, t = 7, p = 0.0198. tiny_1%: 1, -0.1, -0.1, t = 0.73, p = 0.54.
    best = {place for place, entry in places.items() if entry.is_best}
    second = {place for place, entry in places.items() if entry.is_second}
    assert best == {("digits", "lc"), ("tiny_1%", "conv"), ("tiny_1%", "lc"), ("svhn", "lc")}
    assert second == {("digits", "conv"), ("svhn", "conv")}


# Half widths: digits conv, Welch with 1 and 0.5 of 3 runs each, 2.94 degrees of freedom: above 2.
# digits lc: 4.302653 * 1.5275 * sqrt(1/3 + 1/5) = 4.80. svhn conv: 12.7062 * 0.1414 *
# sqrt(1/2 + 1/5) = 1.50. svhn lc: a tenth of it, 0.150. lc - conv: 4.302653 * 0.57735 *
# sqrt(1/3 + 1/5) = 1.81.
@pytest.mark.parametrize(
    ("row", "column", "difference", "verdict"),
    [
        ("digits", "conv", -0.5, "match"),
        ("digits", "lc", 1 / 3, "match"),
        ("digits", "lc - conv", 1 / 3, "match"),
        ("tiny_1%", "lc", None, "n/a"),
        ("svhn", "conv", -9.9, "off"),
        ("svhn", "lc", -0.19, "close"),
        ("svhn", "lc - conv", None, None),
    ],
)
def test_verdicts_are_those_computed_by_hand(places, row, column, difference, verdict):
    entry = places[row, column]
    assert entry.difference == (difference and pytest.approx(difference, abs=1e-9))
    assert entry.verdict == verdict


def test_seeds_that_are_not_ok_have_footnotes(table, places):
    texts = dict(table.footnotes)
    assert [texts[mark] for mark in places["svhn", "conv"].marks] == [
        "1 of 3 seeds diverged: loss is nan"
    ]
    assert [texts[mark] for mark in places["svhn", "lc"].marks] == [
        "seed 2 not run",
        "published value read off a figure",
    ]


def test_equal_remarks_share_a_footnote(table):
    texts = [text for _, text in table.footnotes]
    assert len(texts) == len(set(texts))


def test_a_place_without_cells_is_empty(make_suite, make_cell, results):
    cells = [make_cell("digits", "conv"), make_cell("svhn", "lc")]
    table = build_tables(make_suite(), read_outcomes(cells, results))[0]
    assert table.entries[0][1] == Entry(find_metric("top1"), text="-", has_cells=False)


def test_a_number_that_was_not_measured_is_not_run(make_suite, make_cell, results, published):
    suite = make_suite(paper="demo", published={"table": "table1", "columns": {"conv": "baseline"}})
    entry = build_tables(suite, read_outcomes([make_cell()], results), published)[0].entries[0][0]
    assert (entry.text, entry.verdict, entry.published) == ("not run", "not run", 91.5)


def test_other_scales_have_a_difference_but_no_verdict(
    make_suite, make_cell, results, write, published
):
    cell = make_cell(scale="smoke")
    write(cell, 91.5)
    suite = make_suite(
        paper="demo",
        published={"table": "table1", "columns": {"conv": "baseline"}},
        tolerance=1.0,
    )
    table = build_tables(suite, read_outcomes([cell], results), published)[0]
    entry = table.entries[0][0]
    assert (entry.difference, entry.verdict) == (0.0, "n/a")
    assert table.notes[0].startswith("scale smoke: not the paper's protocol; its numbers are not")


def test_unlike_cells_have_a_difference_but_no_verdict(
    make_suite, make_cell, results, write, published
):
    first = make_cell(operator="lc")
    other = make_cell()
    second = replace(other, recipe=replace(other.recipe, precision="bf16"))
    for cell in (first, second):
        write(cell, 91.0)
    spec = {"table": "table1", "columns": {"lc - conv": "gain"}}
    suite = make_suite(paper="demo", published=spec, tolerance=5.0)
    entry = build_tables(suite, read_outcomes([first, second], results), published)[0].entries[0][2]
    assert entry.verdict == "n/a"
    assert "precision bf16 instead of fp32 on one side of the difference" in entry.remarks


def test_differences_without_a_common_seed_are_not_made(
    make_suite, make_cell, results, write, published
):
    cells = [make_cell(operator="lc", seed=0), make_cell(operator="conv", seed=1)]
    for cell in cells:
        write(cell, 91.0)
    suite = make_suite(
        paper="demo", published={"table": "table1", "columns": {"lc - conv": "gain"}}
    )
    entry = build_tables(suite, read_outcomes(cells, results), published)[0].entries[0][2]
    assert (entry.value, entry.text) == (None, "no common seed")


def test_differences_of_rows_are_made_too(make_suite, make_cell, results, write, published):
    cells = [make_cell(operator=name) for name in ("lc", "conv")]
    for value, cell in zip((93.0, 91.0), cells, strict=True):
        write(cell, value)
    spec = {"table": "table1", "rows": {"lc - conv": "svhn"}, "columns": {"digits": "gain"}}
    suite = make_suite(paper="demo", published=spec, rows="operator", columns="dataset")
    table = build_tables(suite, read_outcomes(cells, results), published)[0]
    assert [row.key for row in table.rows] == ["lc", "conv", "lc - conv"]
    assert table.entries[2][0].value == 2.0


def test_a_table_without_cells_says_so(make_suite, make_cell, results):
    suite = make_suite(where={"dataset": "svhn"})
    table = build_tables(suite, read_outcomes([make_cell()], results))[0]
    assert table.rows == ()
    assert table.notes == ("no cell of the suite belongs into this table",)


def test_an_unknown_metric_is_refused(make_suite, make_cell, results):
    with pytest.raises(UnknownNameError, match=r"unknown metric 'top2' \(did you mean 'top"):
        build_tables(make_suite(metric="top2"), read_outcomes([make_cell()], results))


def test_an_unknown_published_table_is_refused(make_suite, make_cell, results, published):
    suite = make_suite(paper="demo", published="table9")
    with pytest.raises(SuiteError, match="no published table 'table9'"):
        build_tables(suite, read_outcomes([make_cell()], results), published)
