"""Numbers that papers published, read from `suites/published/<paper>.yaml`.

A file holds the paper's citation and its tables. A table has rows, columns and cells; what a cell
does not say itself (metric, unit, kind) its table says for all. A number that is not known is null
with evidence `unknown`.
"""

from collections import Counter
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from kbench.errors import SuiteError, guess
from kbench.file_model import Items, Model
from kbench.findings import Findings, Loc, explain
from kbench.yaml_file import Document, read_yaml

Kind = Literal["absolute", "delta", "ratio", "threshold", "lower_bound", "marker"]
Evidence = Literal[
    "table", "text", "abstract", "figure", "code_log", "secondary", "quoted", "unknown"
]
Existence = Literal["confirmed", "unconfirmed"]
Selection = Literal["last", "best_test", "val", "unknown"]
Spread = Literal["none", "sample_std", "unknown"]
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]


class Citation(Model):
    """The paper.

    Attributes:
        title: Title of the latest version.
        title_v1: Title of the first version, if it was another.
        authors: Names in the paper's order.
        venue: Where it appeared.
        year: When.
        arxiv: Number of the preprint.
        version: Version of the preprint that the numbers are from.
        doi: Digital object identifier.
        openreview: Identifier at OpenReview.
        code: Repository of the authors.
        code_commit: Commit that was read.
        code_note: What the repository lacks.
        code_licence: Its licence.
        note: What is not certain.
    """

    title: str
    title_v1: str | None = None
    authors: Items[str]
    venue: str
    year: int
    arxiv: str | None
    version: str | None = None
    doi: str | None
    openreview: str | None = None
    code: str | None
    code_commit: str | None = None
    code_note: str | None = None
    code_licence: str | None
    note: str | None = None


class Protocol(Model):
    """How a table's numbers came about.

    Attributes:
        runs: Seeds behind each number; None if the paper does not say.
        spread: What stands behind the plus-minus sign.
        selection: Epoch whose accuracy is reported.
        note: What else is known.
    """

    runs: Count | None
    spread: Spread
    selection: Selection
    note: str | None = None


class Label(Model):
    """A row or a column of a published table."""

    id: str
    label: str


class PublishedCell(Model):
    """One published number.

    Attributes:
        row: Id of its row.
        column: Id of its column.
        value: The number; None if it is not known.
        std: What the paper prints behind the plus-minus sign.
        n: Runs behind the number; None: as many as the table's protocol says.
        metric: Metric, if not the table's.
        unit: Unit, if not the table's.
        higher_is_better: Direction, if not the table's.
        kind: Whether it is a value, a difference or something else; None: as the table says.
        evidence: Where it stands.
        precision: Largest error of reading it off a figure.
        variant: Variant of the operator, where a paper has several.
        statistic: What it is of its runs.
        note: What to know about it.
        text: The number as the file writes it, digits that are zero too; filled in by the reader.
    """

    row: str
    column: str
    value: float | None
    std: NonNegative | None = None
    n: Count | None = None
    metric: str | None = None
    unit: str | None = None
    higher_is_better: bool | None = None
    kind: Kind | None = None
    evidence: Evidence
    precision: NonNegative | None = None
    variant: str | None = None
    statistic: Literal["mean", "best"] = "mean"
    note: str | None = None
    text: str | None = None

    @property
    def rounding(self) -> float:
        """Return half of the last digit that is written, or the precision if that is more."""
        exponent = Decimal(self.text or repr(self.value)).as_tuple().exponent
        return max(float(Decimal((0, (5,), int(exponent) - 1))), self.precision or 0.0)


class PublishedTable(Model):
    """A table, a figure or the claims of a text.

    Attributes:
        id: Name that suites use.
        source: Where it stands in the paper.
        title: What it shows.
        metric: Metric of its cells; `per_cell` and `multiple` leave that to them.
        unit: Unit of its cells.
        higher_is_better: Direction; None where neither is better.
        kind: Kind of its cells.
        existence: Whether the paper is known to have this table.
        from_paper: Whether the numbers are the paper's own.
        protocol: How the numbers came about.
        note: What to know about it.
        rows: Its rows.
        columns: Its columns.
        cells: Its numbers, in any order, at most one for a row, a column and a metric.
    """

    id: str
    source: str
    title: str
    metric: str
    unit: str
    higher_is_better: bool | None
    kind: Kind = "absolute"
    existence: Existence = "confirmed"
    from_paper: bool = True
    protocol: Protocol
    note: str | None = None
    rows: Items[Label]
    columns: Items[Label]
    cells: Items[PublishedCell]

    @cached_property
    def numbers(self) -> dict[tuple[str, str, str], PublishedCell]:
        """Return the cells by row, column and metric."""
        return {(cell.row, cell.column, cell.metric or self.metric): cell for cell in self.cells}


class Published(Model):
    """A file of published numbers."""

    paper: str
    citation: Citation
    tables: Items[PublishedTable]

    def table(self, name: str) -> PublishedTable:
        """Return a table by its id.

        Raises:
            SuiteError: Names the nearest and all known ones.
        """
        tables = {table.id: table for table in self.tables}
        if name not in tables:
            known = ", ".join(tables)
            message = f"no published table {name!r}{guess(name, tables)}; {self.paper} has {known}"
            raise SuiteError([message])
        return tables[name]


MODELS: dict[tuple[str, ...], type[Model]] = {
    (): Published,
    ("citation",): Citation,
    ("tables",): PublishedTable,
    ("tables", "protocol"): Protocol,
    ("tables", "rows"): Label,
    ("tables", "columns"): Label,
    ("tables", "cells"): PublishedCell,
}


def read_published(path: Path) -> Published:
    """Read a file of published numbers.

    Raises:
        SuiteError: One finding for each thing that is wrong, with file and line.
    """
    document = read_yaml(path)
    findings = Findings()
    try:
        published = Published.model_validate(document.value)
    except ValidationError as error:
        for loc, text in explain(error, _known_keys).items():
            findings.add(document, loc, text)
        findings.stop()
        raise
    if published.paper != path.stem:
        text = f"paper {published.paper!r} in a file called {path.name!r}"
        findings.add(document, ("paper",), text)
    _check_ids(document, findings, ("tables",), [table.id for table in published.tables])
    for index, table in enumerate(published.tables):
        _check_table(document, findings, index, table)
    findings.stop()
    return _add_texts(document)


def _add_texts(document: Document) -> Published:
    """Return a file that is known to be right, every number with its digits."""
    texts = {loc: text for loc, text in document.texts.items() if text != "null"}
    tables = [
        {
            **table,
            "cells": [
                {**cell, "text": texts.get(("tables", i, "cells", j, "value"))}
                for j, cell in enumerate(table["cells"])
            ],
        }
        for i, table in enumerate(document.value["tables"])
    ]
    return Published.model_validate({**document.value, "tables": tables})


def _known_keys(loc: Loc) -> list[str]:
    model = MODELS.get(tuple(part for part in loc if isinstance(part, str)), Published)
    return list(model.model_fields)


def _check_table(document: Document, findings: Findings, index: int, table: PublishedTable) -> None:
    """Check that cells lie in the table, once each, and say where a number comes from."""
    rows, columns = ([label.id for label in part] for part in (table.rows, table.columns))
    _check_ids(document, findings, ("tables", index, "rows"), rows)
    _check_ids(document, findings, ("tables", index, "columns"), columns)
    seen: set[tuple[str, str, str]] = set()
    for i, cell in enumerate(table.cells):
        loc: Loc = ("tables", index, "cells", i)
        if cell.row not in rows:
            text = f"no row {cell.row!r}{guess(cell.row, rows)}"
            findings.add(document, (*loc, "row"), text)
        if cell.column not in columns:
            text = f"no column {cell.column!r}{guess(cell.column, columns)}"
            findings.add(document, (*loc, "column"), text)
        key = (cell.row, cell.column, cell.metric or table.metric)
        if key in seen:
            findings.add(document, loc, f"cell {' / '.join(key)!r} is given twice")
        seen.add(key)
        if (cell.value is None) != (cell.evidence == "unknown"):
            text = f"value {cell.value} with evidence {cell.evidence!r}; null goes with 'unknown'"
            findings.add(document, (*loc, "evidence"), text)


def _check_ids(document: Document, findings: Findings, loc: Loc, ids: list[str]) -> None:
    for name, count in Counter(ids).items():
        if count > 1:
            last = len(ids) - 1 - ids[::-1].index(name)
            findings.add(document, (*loc, last, "id"), f"id {name!r} is given {count} times")
