from dataclasses import replace

import pytest

from kbench.report.headings import Heading
from kbench.report.lookup import Paper
from kbench.report.published import PublishedTable
from kbench.report.quantity import plain, printed_metric
from kbench.report.reference import Source, find_reference
from kbench.table_file import PublishedSpec

CONV, DIGITS = Heading(("conv",)), Heading(("digits",))


@pytest.fixture
def find():
    """Return a function that looks a number up in a table of one published cell."""

    def find(*, cell, spec=None, column=CONV, metric="top1", quantity=None, **table):
        given = {
            "id": "table1",
            "source": "Table 1",
            "title": "T",
            "metric": "top1",
            "unit": "percent",
            "higher_is_better": True,
            "protocol": {"runs": 5, "spread": "none", "selection": "last"},
            "rows": [{"id": "digits", "label": "Digits"}],
            "columns": [{"id": "conv", "label": "Conv"}],
            "cells": [{"row": "digits", "column": "conv", "evidence": "table"} | cell],
        }
        paper = PublishedTable.model_validate(given | table)
        mapping = PublishedSpec.model_validate({"table": "table1"} | (spec or {}))
        return find_reference([Paper(mapping, paper)], DIGITS, column, quantity or plain(metric))

    return find


@pytest.fixture
def make_table():
    """Return a function that makes a published table of one number."""

    def make(name, value):
        evidence = "unknown" if value is None else "table"
        given = {
            "id": name,
            "source": f"Table {name}",
            "title": "T",
            "metric": "top1",
            "unit": "percent",
            "higher_is_better": True,
            "protocol": {"runs": 5, "spread": "none", "selection": "last"},
            "rows": [{"id": "digits", "label": "Digits"}],
            "columns": [{"id": "conv", "label": "Conv"}],
            "cells": [{"row": "digits", "column": "conv", "value": value, "evidence": evidence}],
        }
        return PublishedTable.model_validate(given)

    return make


def test_a_label_is_its_own_id_and_runs_are_those_of_the_table(find):
    number = find(cell={"value": 91.5, "std": 0.2})
    assert (number.value, number.std, number.n) == (91.5, 0.2, 5)
    assert number.sources == (Source("table1", "digits", "conv", "top1"),)


def test_a_label_is_mapped_to_an_id(find):
    number = find(
        cell={"value": 91.5, "n": 3, "column": "baseline"},
        spec={"columns": {"conv": "baseline"}},
    )
    assert (number.value, number.n) == (91.5, 3)


def test_a_metric_may_have_a_column_of_its_own(find):
    number = find(
        cell={"value": 99.0, "metric": "top5", "column": "conv_top5"},
        spec={"columns": {"conv/top5": "conv_top5"}},
        metric="top5",
    )
    assert number.value == 99.0


def test_no_number_is_taken_from_another_metric(find):
    assert find(cell={"value": 99.0, "metric": "top5"}) is None


@pytest.mark.parametrize(
    ("metric", "cell", "expected"),
    [
        ("num_params", {"value": 0.27, "metric": "params_m", "unit": "million"}, 270_000),
        ("top1", {"value": 0.915, "unit": "fraction"}, 91.5),
        ("train_s", {"value": 2.0, "metric": "train_s", "unit": "minutes"}, 120),
    ],
    ids=["million", "fraction", "minutes"],
)
def test_units_are_converted(find, metric, cell, expected):
    # Factors are powers of ten or sixty; the products are rounded once.
    assert find(cell=cell, metric=metric).value == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("cell", "remark"),
    [
        ({"value": 0.98, "kind": "delta"}, "published: 0.98 percent (difference), not comparable"),
        ({"value": 8.0, "kind": "threshold"}, "published: 8 percent (threshold), not comparable"),
        ({"value": 8.0, "unit": "apples"}, "published: 8 apples, not comparable"),
    ],
    ids=["delta", "threshold", "unit"],
)
def test_what_is_no_absolute_value_is_not_compared_with_one(find, cell, remark):
    number = find(cell=cell)
    assert number.value is None
    assert number.remarks[0].startswith(remark)
    assert number.text in number.remarks[0]


def test_a_published_difference_is_compared_with_a_difference(find):
    column = Heading(("lc - conv",), (("lc",), ("conv",)), "minus")
    number = find(
        cell={"value": 0.98, "kind": "delta", "unit": "points", "column": "gain"},
        spec={"columns": {"lc - conv": "gain"}},
        column=column,
    )
    assert number.value == 0.98


def test_a_published_value_is_not_compared_with_a_difference(find):
    column = Heading(("lc - conv",), (("lc",), ("conv",)), "minus")
    number = find(cell={"value": 91.5}, spec={"columns": {"lc - conv": "conv"}}, column=column)
    assert number.value is None


def test_an_unknown_number_keeps_its_note(find):
    number = find(cell={"value": None, "evidence": "unknown", "note": "out of memory"})
    assert (number.value, number.text, number.remarks) == (None, "", ("paper: out of memory",))


def test_weak_evidence_is_told(find):
    number = find(cell={"value": 91.5, "evidence": "figure", "precision": 0.3})
    assert number.remarks == (
        "published value read off a figure",
        "published value known to within 0.3",
    )
    assert (number.sign, number.reading) == ("~", 0.3)


@pytest.mark.parametrize(
    ("cell", "table", "remark"),
    [
        ({"statistic": "best"}, {}, "the best of several runs, ours a mean"),
        ({}, {"from_paper": False}, "a level of reference, not the paper's"),
    ],
    ids=["best-of-runs", "reference-level"],
)
def test_what_is_no_mean_of_the_paper_is_shown_and_not_compared(find, cell, table, remark):
    number = find(cell={"value": 91.5} | cell, **table)
    assert (number.value, number.is_comparable) == (91.5, False)
    assert remark in number.remarks[0]


def test_an_error_becomes_an_accuracy(find):
    cell = {"value": 8.25, "metric": "error_pct"}
    number = find(cell=cell, spec={"metrics": {"top1": "error_pct"}})
    assert (number.value, number.remarks) == (91.75, ("published as an error of 8.25 percent",))


def test_a_ratio_has_no_unit(find):
    column = Heading(("slowdown",), (("lc",), ("conv",)), "over")
    cell = {"value": 2.0, "kind": "ratio", "unit": "factor", "column": "gain", "metric": "x"}
    spec = {"columns": {"slowdown": "gain"}, "metrics": {"top1": "x"}}
    columns = [{"id": "gain", "label": "Gain"}]
    quantity = plain("top1")
    unitless = replace(quantity, metric=printed_metric(quantity.metric, "over"))
    number = find(cell=cell, spec=spec, column=column, columns=columns, quantity=unitless)
    assert number.value == 2.0


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [("num_params", "0.70", 5_000), ("num_params", "20.0", 50_000), ("top1", "91.5", None)],
    ids=["two-digits", "one-digit", "no-count"],
)
def test_counts_are_known_to_the_printed_digit(find, metric, value, expected):
    names = {"num_params": ("params_m", "million"), "top1": ("top1", "percent")}
    own, unit = names[metric]
    cell = {"value": float(value), "text": value, "metric": own, "unit": unit}
    rounding = find(cell=cell, metric=metric).rounding
    # Half of the last digit, in millions.
    assert rounding == (expected and pytest.approx(expected, rel=1e-12))


def test_several_ids_are_runs_of_one_number(find):
    cells = [
        {"row": name, "column": "conv", "value": value, "n": 1, "evidence": "code_log"}
        for name, value in (("s0", 91.0), ("s1", 92.0), ("s2", 93.0))
    ]
    rows = [{"id": cell["row"], "label": cell["row"]} for cell in cells]
    number = find(cell={}, spec={"rows": {"digits": ["s0", "s1", "s2"]}}, rows=rows, cells=cells)
    # Mean, and deviation with n - 1 = 2 below.
    assert (number.value, number.std, number.n) == (92.0, 1.0, 3)
    assert number.remarks[0] == "mean of 3 published runs: 91, 92, 93"
    assert [source.row for source in number.sources] == ["s0", "s1", "s2"]


def test_the_first_table_with_a_number_is_compared(make_table):
    tables = [make_table("a", None), make_table("b", 91.5), make_table("c", 92.5)]
    papers = [Paper(PublishedSpec(table=table.id), table) for table in tables]
    number = find_reference(papers, DIGITS, CONV, plain("top1"))
    assert number.value == 91.5
    assert "also published: 92.50 (Table c)" in number.remarks
    assert [source.table for source in number.sources] == ["b", "c", "a"]
