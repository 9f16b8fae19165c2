import pytest

from kbench.errors import SuiteError
from kbench.metrics import find_metric
from kbench.report.published import PublishedTable
from kbench.report.reference import (
    Heading,
    Reference,
    find_paper,
    find_reference,
    find_verdict,
    headings,
)
from kbench.report.statistics import Summary
from kbench.suite_file import PublishedSpec

CONV, DIGITS = Heading(("conv",)), Heading(("digits",))


@pytest.fixture
def find():
    """Return a function that looks a number up in a table of one published cell."""

    def find(*, cell, spec=None, column=CONV, metric="top1", **table):
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
        return find_reference(paper, mapping, DIGITS, column, find_metric(metric))

    return find


def test_a_label_is_its_own_id_and_runs_are_those_of_the_table(find):
    assert find(cell={"value": 91.5, "std": 0.2}) == Reference(91.5, 0.2, 5)


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
        ({"value": 0.98, "kind": "delta"}, "published: 0.98 percent (delta), not comparable"),
        ({"value": 8.0, "kind": "threshold"}, "published: 8 percent (threshold), not comparable"),
        ({"value": 8.0, "unit": "apples"}, "published: 8 apples (absolute), not comparable"),
    ],
    ids=["delta", "threshold", "unit"],
)
def test_what_is_no_absolute_value_is_not_compared_with_one(find, cell, remark):
    number = find(cell=cell)
    assert number.value is None
    assert number.remarks[0].startswith(remark)


def test_a_published_difference_is_compared_with_a_difference(find):
    column = Heading(("lc - conv",), (("lc",), ("conv",)))
    number = find(
        cell={"value": 0.98, "kind": "delta", "unit": "points", "column": "gain"},
        spec={"columns": {"lc - conv": "gain"}},
        column=column,
    )
    assert number.value == 0.98


def test_a_published_value_is_not_compared_with_a_difference(find):
    column = Heading(("lc - conv",), (("lc",), ("conv",)))
    number = find(cell={"value": 91.5}, spec={"columns": {"lc - conv": "conv"}}, column=column)
    assert number.value is None


def test_an_unknown_number_keeps_its_note(find):
    number = find(cell={"value": None, "evidence": "unknown", "note": "out of memory"})
    assert number == Reference(None, remarks=("paper: out of memory",))


def test_weak_evidence_is_told(find):
    number = find(cell={"value": 91.5, "evidence": "figure", "precision": 0.3})
    assert number.remarks == (
        "published value read off a figure",
        "published value known to within 0.3",
    )


# Measured 91.0, three seeds with standard deviation 0.1: the paper's five runs lie within
# 4.302653 * 0.1 * sqrt(1/3 + 1/5) = 0.3142, those of one run within 0.4968.
@pytest.mark.parametrize(
    ("published", "runs", "tolerance", "expected"),
    [
        (91.31, 5, None, "match"),
        (91.32, 5, None, "off"),
        (91.32, 5, 0.5, "close"),
        (91.49, None, None, "match"),
        (91.5, None, None, "off"),
        (90.5, 5, 0.5, "close"),
        (90.49, 5, 0.5, "off"),
        (None, None, 0.5, "n/a"),
    ],
)
def test_verdict_of_several_seeds(published, runs, tolerance, expected):
    verdict = find_verdict(Summary(91.0, 0.1, 3), Reference(published, None, runs), tolerance)
    assert verdict == expected


@pytest.mark.parametrize(
    ("published", "std", "tolerance", "expected"),
    [
        (91.6, None, 0.5, "close"),
        (91.61, None, 0.5, "off"),
        (91.1, None, None, "n/a"),
        (91.1, None, 0.0, "close"),
        (91.4, 0.1, None, "match"),
        (91.41, 0.1, None, "off"),
    ],
)
def test_verdict_of_one_seed(published, std, tolerance, expected):
    # One run lies within 2.776445 * 0.1 * sqrt(1 + 1/5) = 0.3041 of five runs that spread by 0.1.
    measured = Summary(91.1, None, 1)
    assert find_verdict(measured, Reference(published, std, 5), tolerance) == expected


def test_differences_stand_behind_the_rows_they_subtract():
    found = headings([("lc",), ("conv",)], {"lc - conv": "gain", "lc": "x", "niff - conv": "y"})
    assert [heading.labels[0] for heading in found] == ["lc", "conv", "lc - conv"]
    assert found[2].minus == (("lc",), ("conv",))


def test_an_id_that_the_paper_does_not_have_is_refused(make_suite, published):
    suite = make_suite(paper="demo", published={"table": "table1", "rows": {"digits": "digit"}})
    message = "suite 'demo': table 'main': published row: unknown row 'digit'"
    with pytest.raises(SuiteError, match=message):
        find_paper(suite, suite.tables[0], published)


def test_a_paper_without_a_file_is_refused(make_suite):
    suite = make_suite(paper="demo", published="table1")
    with pytest.raises(SuiteError, match="there are no published numbers of paper 'demo'"):
        find_paper(suite, suite.tables[0], None)
