"""From records to points: the seeds of one place of a table, together."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from kbench.cell import Cell
from kbench.errors import RecordError, SuiteError
from kbench.record import SCHEMA_VERSION, Status, record_path
from kbench.report import axes
from kbench.suite_file import TableSpec

MAX_FINDINGS = 20


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes:
        cell: The cell.
        status: As in its record; `missing` without one.
        reason: Why it is not ok.
        metrics: Measured values by metric.
    """

    cell: Cell
    status: Status | Literal["missing"]
    reason: str
    metrics: Mapping[str, float]


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
        """Return the metric by seed, of the cells that are ok and have it."""
        return {
            outcome.cell.seed: outcome.metrics[metric]
            for outcome in self.outcomes
            if outcome.status == "ok" and metric in outcome.metrics
        }


def read_outcomes(cells: Iterable[Cell], results: Path) -> list[Outcome]:
    """Read what became of cells.

    A record is taken for that of a cell if it bears the cell's id, which is a hash of everything
    that defines the result.

    Raises:
        RecordError: If records are damaged, of another cell or of another schema version; one line
            for each of the first ones.
    """
    outcomes: list[Outcome] = []
    findings: list[str] = []
    for cell in cells:
        try:
            outcomes.append(read_outcome(cell, results))
        except RecordError as error:
            findings.append(str(error))
            if len(findings) == MAX_FINDINGS:
                break
    if findings:
        raise RecordError("\n".join(findings))
    return outcomes


def read_outcome(cell: Cell, results: Path) -> Outcome:
    """Read what became of a cell.

    Raises:
        RecordError: If the record is damaged, of another cell or of another schema version.
    """
    path = record_path(results, cell)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Outcome(cell, "missing", "", {})
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise RecordError(message) from error
    try:
        value = json.loads(content)
    except ValueError as error:
        message = f"{path}: not a readable record: {error}"
        raise RecordError(message) from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        message = f"{path}: schema version {version!r}; this kbench reads {SCHEMA_VERSION}"
        raise RecordError(message)
    return _outcome(cell, value, path)


def collect(outcomes: Iterable[Outcome], spec: TableSpec) -> list[Point]:
    """Group outcomes into the points of a table, in the order of the cells.

    Raises:
        SuiteError: If a point would hold cells that differ in more than the seed; names the axes
            that the table lacks.
    """
    row_of, column_of = axes.path_reader(spec.rows), axes.path_reader(spec.columns)
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


def _refuse_mixtures(points: Sequence[Point], spec: TableSpec) -> None:
    found: dict[str, None] = {}
    example: Point | None = None
    for point in points:
        for outcome in point.outcomes[1:]:
            lacking = dict.fromkeys(axes.differences(point.cell, outcome.cell))
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


def _outcome(cell: Cell, value: Mapping[str, Any], path: Path) -> Outcome:
    if value.get("id") != cell.id:
        message = f"{path}: holds cell {value.get('id')!r}, not {cell.id!r}"
        raise RecordError(message)
    if value.get("status") not in get_args(Status):
        message = f"{path}: unknown status {value.get('status')!r}"
        raise RecordError(message)
    try:
        metrics = {name: float(item["value"]) for name, item in value["metrics"].items()}
        return Outcome(cell, value["status"], value["reason"], metrics)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{path}: not what this version of kbench writes: {error!r}"
        raise RecordError(message) from error
