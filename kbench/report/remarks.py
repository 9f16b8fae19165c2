"""What a reader has to know about a point: seeds that failed, are missing or are out of date."""

from collections.abc import Iterable
from itertools import groupby

from kbench.report.collect import Point
from kbench.report.outcome import Outcome
from kbench.report.table import NOT_MEASURED

WORDS = {
    "failed": "failed",
    "diverged": "diverged",
    "oom": "ran out of memory",
    "timeout": "exceeded the time limit",
    "invalid": "invalid",
}
STALE = "made by an older version of the operator or of the training code"
NOT_RUN = "not run"
MAX_REASON = 160


def absence(point: Point) -> str:
    """Return what stands in place of a number that no seed gave."""
    statuses = {outcome.status for outcome in point.outcomes}
    if "ok" in statuses:
        return NOT_MEASURED
    failed = statuses - {"missing"}
    if not failed:
        return NOT_RUN
    return WORDS[failed.pop()] if len(failed) == 1 else "failed"


def point_remarks(point: Point, metric: str) -> list[str]:
    """Return a line for every way in which seeds of a point are not as they should be.

    Args:
        point: The point.
        metric: The metric that is shown.
    """
    total = len(point.outcomes)
    what = "seeds" if point.cells_per_seed == 1 else "cells"
    groups = {status: point.with_status(status) for status in (*WORDS, "missing", "ok")}
    missing, done = groups["missing"], groups["ok"]
    unmeasured = [outcome for outcome in done if metric not in outcome.metrics]
    old = [outcome for outcome in done if outcome.is_stale]
    remarks = [
        f"{_share(len(groups[status]), total, what)}{word}{_reasons(groups[status])}"
        for status, word in WORDS.items()
        if groups[status]
    ]
    if 0 < len(missing) < total:
        remarks.append(f"{_seeds(missing)} not run")
    if 0 < len(unmeasured) < len(done):
        remarks.append(f"{NOT_MEASURED} with {_seeds(unmeasured)}")
    if old:
        remarks.append(f"{_share(len(old), total, what)}{STALE}")
    return remarks


def _share(count: int, total: int, what: str) -> str:
    return f"{count} of {total} {what} " if total > 1 else ""


def _reasons(outcomes: Iterable[Outcome]) -> str:
    lines = dict.fromkeys(outcome.reason.strip().partition("\n")[0] for outcome in outcomes)
    reasons = "; ".join(line for line in lines if line)
    if len(reasons) > MAX_REASON:
        reasons = f"{reasons[: MAX_REASON - 3]}..."
    return f": {reasons}" if reasons else ""


def _seeds(outcomes: Iterable[Outcome]) -> str:
    """Return `seed 3`, or `seeds 0-2, 5`."""
    seeds = sorted({outcome.cell.seed for outcome in outcomes})
    runs = []
    for _, group in groupby(enumerate(seeds), key=lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in group]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(runs)}"
