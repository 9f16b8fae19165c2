"""Published numbers in the unit of ours: what can be compared, and what is printed as it stands."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kbench.metrics import Metric
from kbench.report.headings import Heading
from kbench.report.lookup import Paper
from kbench.report.published import PublishedCell, PublishedTable
from kbench.report.quantity import Operation, Quantity
from kbench.report.statistics import summarise

Sign = Literal["", "~", ">"]
Verdict = Literal["match", "close", "off", "not run", "n/a"]
# Our units in one unit of the paper.
UNITS = {
    ("million", ""): 1e6,
    ("count", ""): 1.0,
    ("fraction", ""): 1.0,
    ("fraction", "percent"): 100.0,
    ("percent", ""): 0.01,
    ("ratio", ""): 1.0,
    ("factor", ""): 1.0,
    ("mse", ""): 1.0,
    ("pixels", ""): 1.0,
    ("pixels", "px"): 1.0,
    ("pixels", "taps"): 1.0,
    ("taps", ""): 1.0,
    ("grid units", ""): 1.0,
    ("seconds", "s"): 1.0,
    ("s/epoch", "s"): 1.0,
    ("minutes", "s"): 60.0,
    ("hours", "s"): 3600.0,
    ("GB", "MiB"): 1e9 / 2**20,
}
POINTS = ("points", "percentage points", "percentage_points")
DELTA_UNITS = dict.fromkeys(
    (unit, ours) for unit in (*POINTS, "percent") for ours in ("percent", "points")
)
ANY_UNIT = "per_cell"
ERROR = "error_pct"
WHOLE_PERCENT = 100.0
EVIDENCE = {
    "figure": "published value read off a figure",
    "code_log": "published value from the authors' released files",
    "secondary": "published value from a secondary source",
    "quoted": "published value quoted by the paper from elsewhere",
}
KINDS = {
    "threshold": "{} (threshold)",
    "marker": "{} (marker)",
    "lower_bound": "> {}",
    "delta": "{} (difference)",
    "ratio": "{} (ratio)",
    "absolute": "{}",
}
BEST = "published value is the best of several runs, ours a mean: not compared"
NOT_OF_PAPER = "published value is a level of reference, not the paper's: not compared"
OTHER = "published: {}, not comparable with this number"


@dataclass(frozen=True)
class Source:
    """Place of a published number."""

    table: str
    row: str
    column: str
    metric: str


@dataclass(frozen=True)
class Reference:
    """A published number in the unit of the measured one.

    Attributes:
        value: The number; None if it is not known or cannot be converted.
        std: Its standard deviation.
        n: Runs behind it.
        remarks: What to know about it.
        factor: Our units in one unit of the paper.
        text: What is printed in place of a number that cannot be converted.
        rounding: Largest error by rounding; None where seeds spread more than digits.
        reading: Largest error of reading it off a figure.
        sign: What is printed before it: `~` if it was read off a figure, `>` for a lower bound.
        is_comparable: Whether it may be held against a mean of ours.
        sources: Where it stands.
    """

    value: float | None
    std: float | None = None
    n: int | None = None
    remarks: tuple[str, ...] = ()
    factor: float = 1.0
    text: str = ""
    rounding: float | None = None
    reading: float = 0.0
    sign: Sign = ""
    is_comparable: bool = True
    sources: tuple[Source, ...] = ()


def find_reference(
    papers: Sequence[Paper], row: Heading, column: Heading, quantity: Quantity
) -> Reference | None:
    """Return the published number of a place of our table; None if no paper's table has one.

    The first table with a number gives it; those of the others are remarks.
    """
    operation = row.operation or column.operation or quantity.operation
    found = []
    for paper in papers:
        cells = paper.find_cells(row, column, quantity)
        if cells:
            readings = [_read(paper.table, cell, quantity, operation) for cell in cells]
            found.append((paper.table, _merge(readings)))
    if not found:
        return None
    found.sort(key=lambda item: (item[1].value is None, not item[1].is_comparable))
    first = found[0][1]
    others = [
        f"also published: {other.value:,.{quantity.metric.decimals}f} ({where.source})"
        for where, other in found[1:]
        if other.value is not None
    ]
    sources = [source for _, reference in found for source in reference.sources]
    return replace(first, remarks=(*first.remarks, *others), sources=tuple(sources))


def is_within(distance: float, bound: float) -> bool:
    """Return whether a distance is within a bound, floats being inexact (91.6 - 91.1 and 0.5)."""
    return distance <= bound or math.isclose(distance, bound, rel_tol=1e-9)


def _read(
    table: PublishedTable, cell: PublishedCell, quantity: Quantity, operation: Operation
) -> Reference:
    """Return one published cell in the unit of ours."""
    kind, unit = cell.kind or table.kind, cell.unit or table.unit
    sources = (Source(table.id, cell.row, cell.column, cell.metric or table.metric),)
    remarks = tuple(_remarks(table, cell))
    if cell.value is None:
        return Reference(None, remarks=remarks, sources=sources)
    metric = quantity.metric
    factor = _factor(kind, unit, metric, operation)
    if factor is None:
        text = KINDS[kind].format(f"{cell.value:g} {unit}")
        told = OTHER.format(text)
        return Reference(None, remarks=(told, *remarks), text=text, sources=sources)
    value = cell.value * factor
    if sources[0].metric == ERROR and metric.direction == "max":
        value = WHOLE_PERCENT - value
        remarks = (f"published as an error of {cell.value:g} {unit}", *remarks)
    return Reference(
        value,
        scaled(cell.std, factor),
        cell.n or table.protocol.runs,
        remarks,
        factor,
        rounding=cell.rounding * factor if is_count(metric) else None,
        reading=scaled(cell.precision, factor) or 0.0,
        sign=_sign(kind, cell),
        is_comparable=table.from_paper and cell.statistic != "best",
        sources=sources,
    )


def _sign(kind: str, cell: PublishedCell) -> Sign:
    if kind == "lower_bound":
        return ">"
    return "~" if cell.evidence == "figure" else ""


def scaled(value: float | None, factor: float) -> float | None:
    """Return a value in another unit; None stays None."""
    return None if value is None else value * factor


def is_count(metric: Metric) -> bool:
    """Return whether a metric counts something, so that seeds give the same number."""
    return metric.decimals == 0 and not metric.unit


def _merge(references: Sequence[Reference]) -> Reference:
    """Return the mean of single runs; one reference is what it is."""
    first = references[0]
    if len(references) == 1:
        return first
    sources = tuple(source for item in references for source in item.sources)
    summary = summarise(item.value for item in references if item.value is not None)
    if summary is None:
        return replace(first, sources=sources)
    values = ", ".join(f"{item.value:g}" for item in references if item.value is not None)
    shared = [text for text in first.remarks if all(text in item.remarks for item in references)]
    remarks = (f"mean of {summary.n} published runs: {values}", *shared)
    return replace(
        first, value=summary.mean, std=summary.std, n=summary.n, remarks=remarks, sources=sources
    )


def _remarks(table: PublishedTable, cell: PublishedCell) -> Iterable[str]:
    if cell.evidence in EVIDENCE:
        yield EVIDENCE[cell.evidence]
    if cell.precision is not None:
        yield f"published value known to within {cell.precision:g}"
    if cell.statistic == "best":
        yield BEST
    if not table.from_paper and cell.value is not None:
        yield NOT_OF_PAPER
    if cell.note:
        yield f"paper: {cell.note}"


def _factor(kind: str, unit: str, metric: Metric, operation: Operation) -> float | None:
    """Return our units in one of the paper's; None if the two cannot be compared."""
    is_difference = operation == "minus" or metric.unit == "points"
    allowed = {
        "": ("absolute", "lower_bound"),
        "minus": ("delta",),
        "over": ("ratio", "absolute"),
    }[operation]
    if metric.unit == "points":
        allowed = ("delta", "absolute")
    if kind not in allowed:
        return None
    if unit in (metric.unit, ANY_UNIT) or (is_difference and (unit, metric.unit) in DELTA_UNITS):
        return 1.0
    return UNITS.get((unit, metric.unit))
