"""From records to points: the seeds of one place of a table, together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum

from kbench.cell import Cell
from kbench.errors import SuiteError
from kbench.report import axes
from kbench.report.outcome import Outcome
from kbench.table_file import TableSpec


@dataclass(frozen=True)
class Point:
    """Cells that differ in the seed alone.

    Attributes:
        row: Labels on the row axes.
        column: Labels on the column axes.
        outcomes: What became of the cells, one for each seed.
    """

    row: axes.Path
    column: axes.Path
    outcomes: tuple[Outcome, ...]

    @property
    def cell(self) -> Cell:
        """Return the first cell; the others differ in the seed."""
        return self.outcomes[0].cell

    def with_status(self, status: str) -> list[Outcome]:
        """Return the outcomes of one status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    def sample(self, metric: str) -> dict[int, float]:
        """Return the metric by seed, of the cells that are ok and have it.

        Where a seed has several cells, as the table is a mean over an axis, their mean; nothing
        if one of them is missing.
        """
        values: dict[int, list[float]] = {}
        for outcome in self.outcomes:
            own = values.setdefault(outcome.cell.seed, [])
            if outcome.status == "ok" and metric in outcome.metrics:
                own.append(outcome.metrics[metric])
        size = self.cells_per_seed
        return {
            seed: fsum(own) / size if size > 1 else own[0]
            for seed, own in values.items()
            if len(own) == size
        }

    @cached_property
    def cells_per_seed(self) -> int:
        """Return how many cells a seed has; one, unless the table is a mean over an axis."""
        return len(self.outcomes) // len({outcome.cell.seed for outcome in self.outcomes})


def collect(outcomes: Iterable[Outcome], spec: TableSpec) -> list[Point]:
    """Group outcomes into the points of a table, in the order of the cells.

    Raises:
        SuiteError: If a point would hold cells that differ in more than the seed; names the axes
            that the table lacks.
    """
    row_of = axes.path_reader(spec.rows, spec.rename)
    column_of = axes.path_reader(spec.columns, spec.rename)
    is_wanted = axes.where_filter(spec.where)
    groups: dict[tuple[axes.Path, axes.Path], dict[str, Outcome]] = {}
    for outcome in outcomes:
        cell = outcome.cell
        if is_wanted(cell):
            group = groups.setdefault((row_of(cell), column_of(cell)), {})
            group.setdefault(cell.id, outcome)
    points = [Point(*place, tuple(group.values())) for place, group in groups.items()]
    _refuse_mixtures(points, spec)
    return points


def collect_cells(cells: Iterable[Cell], spec: TableSpec) -> list[Point]:
    """Group cells into the points of a table, without what became of them.

    Raises:
        SuiteError: As `collect`.
    """
    return collect((Outcome(cell, "missing", "", {}) for cell in cells), spec)


def _refuse_mixtures(points: Sequence[Point], spec: TableSpec) -> None:
    found: dict[str, None] = {}
    example: Point | None = None
    for point in points:
        for outcome in point.outcomes[1:]:
            differing = axes.differences(point.cell, outcome.cell)
            lacking = dict.fromkeys(axis for axis in differing if not _is_averaged(axis, spec))
            example = example or (point if lacking else None)
            found |= lacking
    if example is None:
        return
    place = f"row {' / '.join(example.row)!r}, column {' / '.join(example.column)!r}"
    message = (
        f"table {spec.id!r}: {place} holds cells that differ in more than the seed; add to rows,"
        f" columns or where: {', '.join(found)}"
    )
    raise SuiteError([message])


def _is_averaged(axis: str, spec: TableSpec) -> bool:
    """Return whether a table is a mean over an axis, or over the kind whose option it is."""
    return bool({axis, axis.partition(".")[0]} & set(spec.mean_over))
