"""Which points of a table are compared with each other, and which of them are best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from kbench.metrics import find_metric
from kbench.report.axes import Path
from kbench.report.baseline import find_contrasts, refuse_unknown_baseline
from kbench.report.collect import Point
from kbench.report.protocol import protocol_differences
from kbench.report.quantity import measured_names
from kbench.report.side import Place, Side, find_side
from kbench.report.statistics import Contrast, Ranking, TestName, rank
from kbench.table_file import TableSpec

Rank = Literal["best", "second", ""]


@dataclass(frozen=True)
class Standings:
    """Result of all comparisons of a table.

    Attributes:
        side: What was compared; None if nothing.
        ranks: Rank of the best and second best by row, column and metric.
        remarks: Why a point was not compared, by row, column and metric.
        tests: Tests that were used.
        untested: Whether points were left out of the tests, having one seed.
        contrasts: How points stand to the baseline of their block.
    """

    side: Side | None
    ranks: Mapping[Place, Rank]
    remarks: Mapping[Place, str]
    tests: frozenset[TestName]
    untested: bool
    contrasts: Mapping[Place, Contrast] = field(default_factory=dict)


def find_best(points: Sequence[Point], spec: TableSpec) -> Standings:
    """Compare the points of each block, metric by metric.

    Raises:
        SuiteError: If the baseline of the table is none of its rows or columns.
    """
    refuse_unknown_baseline(points, spec)
    side = find_side(spec)
    if side is None:
        return Standings(None, {}, {}, frozenset(), untested=False)
    blocks: dict[tuple[Path, Path], list[Point]] = {}
    for point in points:
        blocks.setdefault(side.block(point), []).append(point)
    ranks: dict[Place, Rank] = {}
    remarks: dict[Place, str] = {}
    contrasts: dict[Place, Contrast] = {}
    rankings: list[Ranking] = []
    for metric, block in product(map(find_metric, measured_names(spec)), blocks.values()):
        present = [point for point in block if point.sample(metric.name)]
        unlike = protocol_differences(present, spec)
        for (row, column), text in unlike.items():
            remark = f"{text}: not compared with the rest of its {side.name}"
            remarks[row, column, metric.name] = remark
        if not unlike:
            ranking = rank([point.sample(metric.name) for point in present], metric.direction)
            rankings.append(ranking)
            contrasts |= find_contrasts(present, metric, spec.compare, side)
            for index, point in enumerate(present):
                ranks[point.row, point.column, metric.name] = _rank(ranking, index)
    tests = frozenset[TestName]().union(*(ranking.tests for ranking in rankings))
    untested = any(ranking.untested for ranking in rankings)
    return Standings(side, ranks, remarks, tests, untested, contrasts)


def _rank(ranking: Ranking, index: int) -> Rank:
    if index in ranking.best:
        return "best"
    return "second" if index in ranking.second else ""
