"""Published numbers of a place of our table: which cells of the paper belong there."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, product

from kbench.errors import SuiteError, unknown
from kbench.report.headings import Heading
from kbench.report.published import Published, PublishedCell, PublishedTable
from kbench.report.quantity import Quantity
from kbench.suite_file import SuiteFile
from kbench.table_file import PlaceSpec, PublishedSpec, TableSpec

METRIC_NAMES = {"num_params": "params_m"}
WHOLE = 3


@dataclass(frozen=True)
class Paper:
    """A published table and how the places of ours map onto it."""

    spec: PublishedSpec
    table: PublishedTable

    def find_cells(self, row: Heading, column: Heading, quantity: Quantity) -> list[PublishedCell]:
        """Return the published cells of a place; several are runs of one number.

        A row or column is looked up as `label/part/metric`, `label/part`, `label/metric` and
        `label`.
        """
        for place in self.spec.cells:
            if _is_place(place, row, column, quantity):
                names = place.paper[2:] or self._metrics(quantity)
                return self._cells([place.paper[0]], [place.paper[1]], names)
        row_ids, column_ids = (
            [ids for key in heading.names(quantity.name) if (ids := mapping.get(key, (key,)))]
            for mapping, heading in ((self.spec.rows, row), (self.spec.columns, column))
        )
        for rows, columns in product(row_ids, column_ids):
            cells = self._cells(rows, columns, self._metrics(quantity))
            if cells:
                return cells
        return []

    def _metrics(self, quantity: Quantity) -> list[str]:
        """Return what the paper may call a metric."""
        base = quantity.name.partition(".")[0]
        for name in (quantity.name, base):
            if name in self.spec.metrics:
                return [self.spec.metrics[name]]
        return [quantity.name, METRIC_NAMES.get(quantity.name, quantity.name), base]

    def _cells(
        self, rows: Iterable[str], columns: Iterable[str], names: Iterable[str]
    ) -> list[PublishedCell]:
        for name in names:
            keys = [(row, column, name) for row, column in product(rows, columns)]
            cells = [self.table.numbers[key] for key in keys if key in self.table.numbers]
            if cells:
                return cells
        return []


def find_papers(
    suite: SuiteFile, spec: TableSpec, published: Published | None
) -> tuple[Paper, ...]:
    """Return the published tables that a table names.

    Raises:
        SuiteError: If there is none of a name, or it lacks a row, column or metric that is named.
    """
    if not spec.published:
        return ()
    place = f"suite {suite.suite!r}: table {spec.id!r}"
    if published is None:
        raise SuiteError([f"{place}: there are no published numbers of paper {suite.paper!r}"])
    papers = tuple(Paper(item, published.table(item.table)) for item in spec.published)
    findings = [f"{place}: {text}" for paper in papers for text in _find_wrong_names(paper)]
    if findings:
        raise SuiteError(findings)
    return papers


def _find_wrong_names(paper: Paper) -> Iterable[str]:
    spec, table = paper.spec, paper.table
    known = {
        "row": [label.id for label in table.rows],
        "column": [label.id for label in table.columns],
        "metric": list(dict.fromkeys(cell.metric or table.metric for cell in table.cells)),
    }
    named = {
        "row": chain.from_iterable(spec.rows.values()),
        "column": chain.from_iterable(spec.columns.values()),
        "metric": spec.metrics.values(),
    }
    places = [zip(known, place.paper, strict=False) for place in spec.cells]
    parts = ((part, name) for part, names in named.items() for name in names)
    for part, name in chain(parts, chain.from_iterable(places)):
        if name not in known[part]:
            yield f"published {part}: {unknown(part, name, known[part])}"


def _is_place(place: PlaceSpec, row: Heading, column: Heading, quantity: Quantity) -> bool:
    names = [row.names(quantity.name), column.names(quantity.name)]
    is_metric = len(place.ours) < WHOLE or place.ours[2] == quantity.name
    return is_metric and all(own in known for own, known in zip(place.ours, names, strict=False))
