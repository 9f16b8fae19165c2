"""Tests against the baseline that a table names."""

from collections.abc import Sequence
from dataclasses import replace

from kbench.errors import SuiteError, unknown
from kbench.metrics import Metric
from kbench.report.collect import Point
from kbench.report.reference import is_count
from kbench.report.side import COMPARED_KINDS, Place, Side, find_side
from kbench.report.statistics import Contrast, compare, holm
from kbench.table_file import CompareSpec, TableSpec


def refuse_unknown_baseline(points: Sequence[Point], spec: TableSpec) -> None:
    """Refuse a baseline that the full scale does not have.

    Raises:
        SuiteError: If nothing is compared in the table, or it has no such row or column.
    """
    if spec.compare is None or not any(point.cell.scale == "full" for point in points):
        return
    side = find_side(spec)
    place = f"table {spec.id!r}: compare.baseline"
    if side is None:
        message = f"{place}: rows and columns have no axis of {', '.join(COMPARED_KINDS)}"
        raise SuiteError([message])
    known = {side.compared(point) for point in points}
    if spec.compare.baseline not in known:
        raise SuiteError([f"{place}: {unknown('label', spec.compare.baseline, known)}"])


def find_contrasts(
    points: Sequence[Point], metric: Metric, spec: CompareSpec | None, side: Side
) -> dict[Place, Contrast]:
    """Return how the points of a block stand to its baseline, p corrected by Holm's method.

    Counts and metrics of which neither way is better are not tested.

    Args:
        points: The block: points that have the metric.
        metric: What is compared.
        spec: The baseline; nothing is tested without one.
        side: Direction in which the block lies.
    """
    if spec is None or metric.direction == "none" or is_count(metric):
        return {}
    baselines = [point for point in points if side.compared(point) == spec.baseline]
    tested = {
        (point.row, point.column, metric.name): contrast
        for point in points
        for baseline in baselines
        if point is not baseline
        and (contrast := compare(point.sample(metric.name), baseline.sample(metric.name)))
    }
    corrected = holm([contrast.p_value for contrast in tested.values()])
    return {
        place: replace(contrast, p_value=p_value)
        for (place, contrast), p_value in zip(tested.items(), corrected, strict=True)
    }
