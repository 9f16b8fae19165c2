"""Shape of the tables of a suite file."""

import pytest
from pydantic import ValidationError

from kbench.table_file import CompareSpec, DerivedSpec, TableSpec, ToleranceSpec

TABLE = {"id": "main", "rows": "dataset", "columns": "operator", "metric": "top1"}


def make(**keys: object) -> TableSpec:
    return TableSpec.model_validate(TABLE | keys)


def test_a_name_is_a_published_table_and_a_list_several() -> None:
    assert [spec.table for spec in make(published="table1").published] == ["table1"]
    found = make(published=["table1", {"table": "table3", "rows": {"a": "b", "c": ["d", "e"]}}])
    assert found.published[1].rows == {"a": ("b",), "c": ("d", "e")}
    assert make().published == ()


def test_a_number_is_the_tolerance_of_every_metric() -> None:
    assert make(tolerance=1).tolerance == ToleranceSpec(all=1)
    assert make().tolerance.of("top1") is None


def test_metrics_may_have_tolerances_of_their_own() -> None:
    tolerance = make(tolerance={"top1": 0.5, "sigma": 0.1, "all": 2, "reason": "why"}).tolerance
    assert tolerance.reason == "why"
    found = [tolerance.of(name) for name in ("top1", "sigma.layer1", "loss")]
    assert found == [0.5, 0.1, 2]


def test_a_name_is_the_baseline_of_a_comparison() -> None:
    assert make(compare="conv").compare == CompareSpec(baseline="conv", intervals=False)
    assert make(compare={"baseline": "a/b", "intervals": True}).compare.intervals
    assert make().compare is None


def test_a_list_is_an_order_without_groups() -> None:
    assert make(order={"rows": ["a", "b"]}).order.rows == {"": ("a", "b")}
    assert make(order={"rows": {"Ours": ["a"]}}).order.rows == {"Ours": ("a",)}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"row": "a"}, "give one of minus and over"),
        ({"row": "a", "minus": "b", "over": "c"}, "give one of minus and over"),
        ({"minus": "b"}, "give one of row, column and metric"),
        ({"row": "a", "column": "b", "minus": "c"}, "give one of row, column and metric"),
    ],
    ids=["no-second", "two-operations", "no-first", "two-firsts"],
)
def test_something_derived_has_two_operands(keys, message) -> None:
    with pytest.raises(ValidationError, match=message):
        DerivedSpec.model_validate({"label": "x"} | keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"tolerance": {"top1": -1.0}},
        {"tolerance": "much"},
        {"published": {"table": "t", "cells": [{"ours": ["a"], "paper": ["b", "c"]}]}},
        {"metrics_as": "pages"},
        {"compare": True},
        {"compare": {"intervals": True}},
    ],
    ids=["negative", "text", "short-place", "direction", "no-name", "no-baseline"],
)
def test_what_is_not_of_the_shape_is_refused(keys) -> None:
    with pytest.raises(ValidationError, match=r"tolerance|published|metrics_as|compare"):
        make(**keys)
