"""Measured numbers beside published ones: which number belongs where, difference and verdict."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Literal

from kbench.errors import SuiteError, unknown
from kbench.metrics import Metric
from kbench.report.axes import Path, order
from kbench.report.published import Published, PublishedCell, PublishedTable
from kbench.report.statistics import Summary, noise
from kbench.suite_file import PublishedSpec, SuiteFile, TableSpec

Verdict = Literal["match", "close", "off", "not run", "n/a"]
SEPARATOR = "/"
MINUS = " - "
METRIC_NAMES = {"num_params": "params_m"}
UNITS = {
    ("million", ""): 1e6,
    ("count", ""): 1.0,
    ("fraction", "percent"): 100.0,
    ("s", "s"): 1.0,
    ("seconds", "s"): 1.0,
    ("minutes", "s"): 60.0,
    ("hours", "s"): 3600.0,
    ("GB", "MiB"): 1e9 / 2**20,
}
DELTA_UNITS = dict.fromkeys(
    (unit, "percent") for unit in ("points", "percentage points", "percentage_points")
)
EVIDENCE = {
    "figure": "published value read off a figure",
    "code_log": "published value from the authors' released files",
    "secondary": "published value from a secondary source",
    "quoted": "published value quoted by the paper from elsewhere",
}


@dataclass(frozen=True)
class Heading:
    """A row, or a column without its metric.

    Attributes:
        labels: Labels on the axes, outermost first.
        minus: Labels of two others of which this one shows the paired difference.
    """

    labels: Path
    minus: tuple[Path, Path] | None = None

    @property
    def key(self) -> str:
        """Return the labels as suite files write them."""
        return SEPARATOR.join(self.labels)


@dataclass(frozen=True)
class Reference:
    """A published number in the unit of the measured one.

    Attributes:
        value: The number; None if it is not known or cannot be compared.
        std: Its standard deviation.
        n: Runs behind it.
        remarks: What to know about it.
        factor: Our units in one unit of the paper.
    """

    value: float | None
    std: float | None = None
    n: int | None = None
    remarks: tuple[str, ...] = ()
    factor: float = 1.0


def difference_headings(mapping: dict[str, str], paths: Iterable[Path]) -> list[Heading]:
    """Return a heading for every key `a - b` of a mapping, a and b being rows or columns.

    Args:
        mapping: Of our labels to the paper's ids.
        paths: The rows or columns there are.
    """
    known = {SEPARATOR.join(path): path for path in paths}
    headings = []
    for key in mapping:
        first, minus, second = key.partition(MINUS)
        if minus and key not in known and first in known and second in known:
            depth = len(known[first])
            labels = (key, *[""] * (depth - 1))
            headings.append(Heading(labels, (known[first], known[second])))
    return headings


def headings(paths: Iterable[Path], mapping: dict[str, str]) -> tuple[Heading, ...]:
    """Return the rows or columns in the order of the suite, and the differences after them."""
    ordered = order(paths)
    return (*map(Heading, ordered), *difference_headings(mapping, ordered))


def find_paper(
    suite: SuiteFile, spec: TableSpec, published: Published | None
) -> PublishedTable | None:
    """Return the published table that a table names; None if it names none.

    Raises:
        SuiteError: If there is none of this name, or it lacks a row or column that is named.
    """
    if spec.published is None:
        return None
    place = f"suite {suite.suite!r}: table {spec.id!r}"
    if published is None:
        raise SuiteError([f"{place}: there are no published numbers of paper {suite.paper!r}"])
    paper = published.table(spec.published.table)
    findings = []
    for part, mapping, labels in (
        ("row", spec.published.rows, paper.rows),
        ("column", spec.published.columns, paper.columns),
    ):
        ids = [label.id for label in labels]
        findings += [
            f"{place}: published {part}: {unknown(part, name, ids)}"
            for name in mapping.values()
            if name not in ids
        ]
    if findings:
        raise SuiteError(findings)
    return paper


def find_reference(
    table: PublishedTable, spec: PublishedSpec, row: Heading, column: Heading, metric: Metric
) -> Reference | None:
    """Return the published number of a place of our table; None if the paper has none there."""
    cell = find_cell(table, spec, row, column, metric)
    if cell is None:
        return None
    is_difference = row.minus is not None or column.minus is not None
    return _reference(table, cell, metric, is_difference=is_difference)


def find_cell(
    table: PublishedTable, spec: PublishedSpec, row: Heading, column: Heading, metric: Metric
) -> PublishedCell | None:
    """Return the cell of the published table that belongs to a place of our table, if any.

    A row or column is looked up as `label`, or as `label/metric` where the paper gives metrics rows
    or columns of their own.
    """
    rows, columns = (
        [mapping.get(key, key) for key in (f"{heading.key}/{metric.name}", heading.key)]
        for mapping, heading in ((spec.rows, row), (spec.columns, column))
    )
    names = (metric.name, METRIC_NAMES.get(metric.name, metric.name))
    for name, row_id, column_id in product(names, rows, columns):
        cell = table.numbers.get((row_id, column_id, name))
        if cell is not None:
            return cell
    return None


def find_verdict(measured: Summary, reference: Reference, tolerance: float | None) -> Verdict:
    """Return how a measured mean stands to a published one.

    `match` if the difference lies within the noise of the seeds (`statistics.noise`), `close` if
    within the tolerance, `off` if in neither; `n/a` if there is nothing to compare with.
    """
    if reference.value is None:
        return "n/a"
    distance = abs(measured.mean - reference.value)
    half_width = noise(measured, reference.std, reference.n)
    if half_width is not None and is_within(distance, half_width):
        return "match"
    if tolerance is not None and is_within(distance, tolerance):
        return "close"
    return "n/a" if half_width is None and tolerance is None else "off"


def _reference(
    table: PublishedTable, cell: PublishedCell, metric: Metric, *, is_difference: bool
) -> Reference:
    kind = cell.kind or table.kind
    unit = cell.unit or table.unit
    remarks = _remarks(cell)
    if cell.value is None:
        return Reference(None, remarks=tuple(remarks))
    wanted = "delta" if is_difference else "absolute"
    factor = _factor(unit, metric.unit, is_difference=is_difference)
    if kind != wanted or factor is None:
        text = f"published: {cell.value:g} {unit} ({kind}), not comparable with this number"
        return Reference(None, remarks=(text, *remarks))
    std = None if cell.std is None else cell.std * factor
    runs = cell.n or table.protocol.runs
    return Reference(cell.value * factor, std, runs, tuple(remarks), factor)


def is_within(distance: float, bound: float) -> bool:
    """Return whether a distance is within a bound, floats being inexact (91.6 - 91.1 and 0.5)."""
    return distance <= bound or math.isclose(distance, bound, rel_tol=1e-9)


def _remarks(cell: PublishedCell) -> list[str]:
    remarks = [EVIDENCE[cell.evidence]] if cell.evidence in EVIDENCE else []
    if cell.precision is not None:
        remarks.append(f"published value known to within {cell.precision:g}")
    return [*remarks, f"paper: {cell.note}"] if cell.note else remarks


def _factor(unit: str, wanted: str, *, is_difference: bool) -> float | None:
    if unit == wanted or (is_difference and (unit, wanted) in DELTA_UNITS):
        return 1.0
    return UNITS.get((unit, wanted))
