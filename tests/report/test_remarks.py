from dataclasses import replace

import pytest

from kbench.report.collect import Point
from kbench.report.outcome import Outcome
from kbench.report.remarks import absence, point_remarks


@pytest.fixture
def make_point(make_cell):
    def make(*statuses, reasons=()):
        outcomes = []
        for seed, status in enumerate(statuses):
            metrics = {"top1": 91.0} if status == "ok" else {}
            reason = reasons[seed] if reasons else ""
            outcomes.append(Outcome(make_cell(seed=seed), status, reason, metrics))
        return Point(("digits",), ("conv",), tuple(outcomes))

    return make


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("ok", "ok", "ok"), []),
        (("ok", "diverged", "ok"), ["1 of 3 seeds diverged"]),
        (("ok", "ok", "missing"), ["seed 2 not run"]),
        (("missing", "missing", "ok", "missing"), ["seeds 0-1, 3 not run"]),
        (("missing", "missing"), []),
        (("oom", "failed"), ["1 of 2 seeds failed", "1 of 2 seeds ran out of memory"]),
        (("timeout",), ["exceeded the time limit"]),
        (("invalid",), ["invalid"]),
    ],
    ids=["ok", "diverged", "missing", "several", "not-run", "two-ways", "one-seed", "invalid"],
)
def test_every_seed_that_is_not_ok_is_accounted_for(make_point, statuses, expected):
    assert point_remarks(make_point(*statuses), "top1") == expected


def test_reasons_are_told_once_and_in_one_line(make_point):
    point = make_point("failed", "failed", "failed", reasons=("no disk\ntraceback", "no disk", "x"))
    assert point_remarks(point, "top1") == ["3 of 3 seeds failed: no disk; x"]


def test_long_reasons_are_cut(make_point):
    remark = point_remarks(make_point("failed", reasons=("x" * 500,)), "top1")[0]
    assert len(remark) == len("failed: ") + 160
    assert remark.endswith("xxx...")


def test_seeds_without_a_metric_that_others_have_are_told(make_point):
    point = make_point("ok", "missing", "ok")
    without = replace(point.outcomes[2], metrics={"loss": 1.0})
    point = replace(point, outcomes=(*point.outcomes[:2], without))
    assert point_remarks(point, "top1") == ["seed 1 not run", "not measured with seed 2"]


def test_a_metric_that_no_seed_has_is_told_by_the_place_itself(make_point):
    assert point_remarks(make_point("ok", "missing", "ok"), "top5") == ["seed 1 not run"]


def test_stale_records_are_told(make_point):
    first, second = make_point("ok", "ok").outcomes
    point = Point(("digits",), ("conv",), (replace(first, is_stale=True), second))
    remarks = point_remarks(point, "top1")
    expected = "made by an older version of the operator or of the training code"
    assert remarks == [f"1 of 2 seeds {expected}"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("missing", "missing"), "not run"),
        (("missing", "diverged"), "diverged"),
        (("oom", "oom"), "ran out of memory"),
        (("failed", "oom"), "failed"),
        (("ok",), "not measured"),
        (("invalid", "invalid"), "invalid"),
    ],
    ids=["missing", "diverged", "memory", "mixed", "unmeasured", "invalid"],
)
def test_a_missing_number_says_why(make_point, statuses, expected):
    assert absence(make_point(*statuses)) == expected
