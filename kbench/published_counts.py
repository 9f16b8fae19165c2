"""Parameter counts that papers publish, for the networks of a suite.

A count belongs to a network if a table of the suite, with its mapping onto a published table, puts
both into one place: the report puts them side by side there too.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from kbench.expansion import Suite
from kbench.metrics import METRICS
from kbench.plan import network_of
from kbench.report.collect import Outcome, Point, collect
from kbench.report.command import published_path
from kbench.report.protocol import is_papers_protocol
from kbench.report.published import Published, PublishedTable, Texts, read_published, read_texts
from kbench.report.reference import (
    Heading,
    Verdict,
    find_cell,
    find_paper,
    find_reference,
    is_within,
)
from kbench.suite_file import PublishedSpec

COUNTS = ("num_params", "num_learnable_params")


@dataclass(frozen=True)
class PublishedCount:
    """A published count of parameters.

    Attributes:
        metric: `num_params` or `num_learnable_params`.
        printed: The number in the paper's unit, with its decimals.
        value: The same in parameters.
        rounding: Largest error of the printed number, in parameters.
        tolerance: Largest difference that the suite's table allows, in parameters, as of
            `TableSpec`; None if it says nothing.
        source: Place in the paper.
        where: File and line of the suite's table.
    """

    metric: str
    printed: str
    value: float
    rounding: float
    tolerance: float | None
    source: str
    where: str

    def verdict(self, ours: float) -> Verdict:
        """Return `match` within the rounding, `close` within the tolerance, `off` otherwise."""
        distance = abs(ours - self.value)
        if is_within(distance, self.rounding):
            return "match"
        is_close = self.tolerance is not None and is_within(distance, self.tolerance)
        return "close" if is_close else "off"


def find_published_counts(suite: Suite) -> dict[Hashable, list[PublishedCount]]:
    """Return the published counts of a suite's networks, by `network_of`.

    Only cells of the paper's protocol count: other scales may put other networks into a place.

    Raises:
        SuiteError: If published numbers are wrong or not there, or a place would mix cells.
    """
    path = published_path(suite) if any(spec.published for spec in suite.file.tables) else None
    if path is None:
        return {}
    published, texts = read_published(path), read_texts(path)
    counts: dict[Hashable, list[PublishedCount]] = {}
    for index in range(len(suite.file.tables)):
        for network, count in _find_in_table(suite, index, published, texts):
            known = counts.setdefault(network, [])
            known += [] if count in known else [count]
    return counts


def _find_in_table(
    suite: Suite, index: int, published: Published, texts: Texts
) -> Iterator[tuple[Hashable, PublishedCount]]:
    """Yield the networks of one of the suite's tables, each with a published count."""
    spec = suite.file.tables[index]
    table = find_paper(suite.file, spec, published)
    if table is None:
        return
    cells = filter(is_papers_protocol, suite.cells())
    for point in collect((Outcome(cell, "missing", "", {}) for cell in cells), spec):
        for count in _find_counts(suite, index, point, table, texts):
            yield network_of(point.cell), count


def _find_counts(
    suite: Suite, index: int, point: Point, table: PublishedTable, texts: Texts
) -> list[PublishedCount]:
    """Return the published counts in the place of a point of one of the suite's tables."""
    spec = suite.file.tables[index]
    mapping = spec.published or PublishedSpec(table=table.id)
    counts = []
    for name in COUNTS:
        place = (table, mapping, Heading(point.row), Heading(point.column), METRICS[name])
        cell, reference = find_cell(*place), find_reference(*place)
        if cell is None or reference is None or reference.value is None:
            continue
        text = texts[table.id, cell.row, cell.column, cell.metric or table.metric]
        half = float(Decimal((0, (5,), int(Decimal(text).as_tuple().exponent) - 1)))
        counts.append(
            PublishedCount(
                metric=name,
                printed=f"{text} {cell.unit or table.unit}",
                value=reference.value,
                rounding=max(half, cell.precision or 0.0) * reference.factor,
                tolerance=spec.tolerance,
                source=f"{table.source}, row {cell.row!r}, column {cell.column!r}",
                where=suite.document.where(("tables", index)),
            )
        )
    return counts
