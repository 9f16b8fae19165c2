"""Parameter counts that papers publish, for the networks of a suite.

A count belongs to a network if a table of the suite, with its mapping onto a published table, puts
both into one place: the report puts them side by side there too.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from kbench.expansion import Suite
from kbench.plan import network_of
from kbench.report.collect import Point, collect_cells
from kbench.report.headings import Heading
from kbench.report.lookup import Paper, find_papers
from kbench.report.protocol import is_papers_protocol
from kbench.report.published_files import find_published
from kbench.report.quantity import plain
from kbench.report.reference import Verdict, find_reference, is_within

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
    counts: dict[Hashable, list[PublishedCount]] = {}
    if not any(spec.published for spec in suite.file.tables):
        return counts
    published = find_published(suite)
    for index, spec in enumerate(suite.file.tables):
        papers = find_papers(suite.file, spec, published)
        for network, count in _find_in_table(suite, index, papers):
            known = counts.setdefault(network, [])
            known += [] if count in known else [count]
    return counts


def _find_in_table(
    suite: Suite, index: int, papers: Sequence[Paper]
) -> Iterator[tuple[Hashable, PublishedCount]]:
    """Yield the networks of one of the suite's tables, each with a published count."""
    if not papers:
        return
    cells = filter(is_papers_protocol, suite.cells())
    for point in collect_cells(cells, suite.file.tables[index]):
        for paper in papers:
            for count in _find_counts(suite, index, point, paper):
                yield network_of(point.cell), count


def _find_counts(suite: Suite, index: int, point: Point, paper: Paper) -> list[PublishedCount]:
    """Return the published counts in the place of a point of one of the suite's tables."""
    spec = suite.file.tables[index]
    row, column = Heading(point.row), Heading(point.column)
    counts = []
    for quantity in map(plain, COUNTS):
        cells = paper.find_cells(row, column, quantity)
        reference = find_reference([paper], row, column, quantity)
        if reference is None or reference.value is None:
            continue
        source = f"{paper.table.source}, row {cells[0].row!r}, column {cells[0].column!r}"
        counts.append(
            PublishedCount(
                metric=quantity.name,
                printed=f"{cells[0].text} {cells[0].unit or paper.table.unit}",
                value=reference.value,
                rounding=reference.rounding or 0.0,
                tolerance=spec.tolerance.of(quantity.name),
                source=source,
                where=suite.document.where(("tables", index)),
            )
        )
    return counts
