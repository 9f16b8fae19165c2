"""Which points of a table are compared with each other, and which of them are best."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from kbench.metrics import find_metric
from kbench.report.axes import Path
from kbench.report.collect import Point
from kbench.report.protocol import protocol_differences
from kbench.report.quantity import measured_names
from kbench.report.statistics import Ranking, TestName, rank
from kbench.table_file import TableSpec

Place = tuple[Path, Path, str]
Rank = Literal["best", "second", ""]
COMPARED_KINDS = ("operator", "architecture", "recipe")


@dataclass(frozen=True)
class Side:
    """Direction in which a table is read for the best.

    Attributes:
        name: `row` if the columns of a row are compared, `column` if the rows of a column are.
        levels: Which axes of the other direction are compared; the rest separate blocks.
    """

    name: Literal["row", "column"]
    levels: frozenset[int]

    def block(self, point: Point) -> tuple[Path, Path]:
        """Return what the points of one block have in common."""
        along, across = (
            (point.row, point.column) if self.name == "row" else (point.column, point.row)
        )
        return along, tuple(item for i, item in enumerate(across) if i not in self.levels)

    def separating(self, spec: TableSpec) -> list[str]:
        """Return the axes that part a row or column into several blocks."""
        across = spec.columns if self.name == "row" else spec.rows
        return [axis for i, axis in enumerate(across) if i not in self.levels]


@dataclass(frozen=True)
class Standings:
    """Result of all comparisons of a table.

    Attributes:
        side: What was compared; None if nothing.
        ranks: Rank of the best and second best by row, column and metric.
        remarks: Why a point was not compared, by row, column and metric.
        tests: Tests that were used.
        untested: Whether points were left out of the tests, having one seed.
    """

    side: Side | None
    ranks: Mapping[Place, Rank]
    remarks: Mapping[Place, str]
    tests: frozenset[TestName]
    untested: bool


def find_side(spec: TableSpec) -> Side | None:
    """Return where operators are compared, or architectures, or recipes; datasets never are."""
    for kind in COMPARED_KINDS:
        sides: list[tuple[Literal["row", "column"], Sequence[str]]] = [
            ("row", spec.columns),
            ("column", spec.rows),
        ]
        sides.sort(key=lambda side: kind not in side[1])
        for name, axes in sides:
            levels = {i for i, axis in enumerate(axes) if axis.partition(".")[0] == kind}
            if levels:
                return Side(name, frozenset(levels))
    return None


def find_best(points: Iterable[Point], spec: TableSpec) -> Standings:
    """Compare the points of each block, metric by metric."""
    side = find_side(spec)
    if side is None:
        return Standings(None, {}, {}, frozenset(), untested=False)
    blocks: dict[tuple[Path, Path], list[Point]] = {}
    for point in points:
        blocks.setdefault(side.block(point), []).append(point)
    ranks: dict[Place, Rank] = {}
    remarks: dict[Place, str] = {}
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
            for index, point in enumerate(present):
                ranks[point.row, point.column, metric.name] = _rank(ranking, index)
    tests = frozenset[TestName]().union(*(ranking.tests for ranking in rankings))
    untested = any(ranking.untested for ranking in rankings)
    return Standings(side, ranks, remarks, tests, untested)


def _rank(ranking: Ranking, index: int) -> Rank:
    if index in ranking.best:
        return "best"
    return "second" if index in ranking.second else ""
