"""Published numbers that no suite measures, with the reason: `published/uncovered/<paper>.yaml`."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kbench.errors import unknown
from kbench.file_model import Items, Model, OneOrMore
from kbench.findings import Findings, explain
from kbench.report.published import Evidence, Published, PublishedCell, PublishedTable
from kbench.yaml_file import read_yaml

FOLDER = "uncovered"


class Uncovered(Model):
    """Published numbers without a cell of a suite; a key that is not given holds for all.

    Attributes:
        table: Id of the published table.
        rows: Its rows.
        columns: Its columns.
        evidence: Kinds of evidence, such as `quoted`.
        reason: Why no suite measures them.
    """

    table: str
    rows: OneOrMore[str] | None = None
    columns: OneOrMore[str] | None = None
    evidence: OneOrMore[Evidence] | None = None
    reason: str

    def holds_for(self, table: PublishedTable, cell: PublishedCell) -> bool:
        """Return whether a published number is one of these."""
        return (
            table.id == self.table
            and (self.rows is None or cell.row in self.rows)
            and (self.columns is None or cell.column in self.columns)
            and (self.evidence is None or cell.evidence in self.evidence)
        )


def read_uncovered(path: Path, published: Published) -> list[Uncovered]:
    """Return what no suite measures; nothing if there is no such file.

    Args:
        path: The file of the paper's published numbers, whose folder holds `uncovered`.
        published: These numbers.

    Raises:
        SuiteError: One finding for each thing that is wrong, with file and line.
    """
    own = path.parent / FOLDER / path.name
    if not own.exists():
        return []
    document = read_yaml(own)
    findings = Findings()
    try:
        rules = TypeAdapter(Items[Uncovered]).validate_python(document.value)
    except ValidationError as error:
        for loc, text in explain(error, lambda _: list(Uncovered.model_fields)).items():
            findings.add(document, loc, text)
        findings.stop()
        raise
    for index, rule in enumerate(rules):
        for key, text in _find_wrong(rule, published):
            findings.add(document, (index, key), text)
    findings.stop()
    return list(rules)


def _find_wrong(rule: Uncovered, published: Published) -> Iterator[tuple[str, str]]:
    """Yield key and text of every name that a paper does not have."""
    tables = {table.id: table for table in published.tables}
    if rule.table not in tables:
        yield "table", unknown("table", rule.table, tables)
        return
    table = tables[rule.table]
    for key, names, labels in (
        ("rows", rule.rows, table.rows),
        ("columns", rule.columns, table.columns),
    ):
        known = [label.id for label in labels]
        wrong = [name for name in names or () if name not in known]
        yield from ((key, unknown(key.removesuffix("s"), name, known)) for name in wrong)
        if wrong:
            return
    if not any(rule.holds_for(table, cell) for cell in table.cells):
        yield "table", "no published number is one of these"
