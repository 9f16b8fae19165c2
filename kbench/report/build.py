"""From a suite and its records to tables."""

from collections.abc import Sequence, Set
from pathlib import Path

from kbench.cell import Cell
from kbench.report import notes, reference
from kbench.report.best import find_best
from kbench.report.collect import Point, collect, read_outcomes
from kbench.report.entries import Entries
from kbench.report.published import Published
from kbench.report.table import Table, make_columns, number_remarks
from kbench.suite_file import PublishedSpec, SuiteFile, TableSpec


def build_tables(
    suite: SuiteFile,
    cells: Sequence[Cell],
    results: Path,
    published: Published | None = None,
    stale: Set[str] = frozenset(),
) -> list[Table]:
    """Build the tables of a suite from the records of its cells.

    Args:
        suite: The suite file.
        cells: Its cells at one scale.
        results: Folder of all results.
        published: Published numbers of the suite's paper.
        stale: Ids of cells whose record was made by older code; they are shown with a footnote.

    Raises:
        RecordError: If a record is damaged, of another cell or of another schema version.
        SuiteError: If a point of a table would mix cells, or published numbers are not there.
        UnknownNameError: If a metric is not known.
    """
    outcomes = read_outcomes(cells, results)
    return [
        build_table(suite, spec, collect(outcomes, spec), published, stale) for spec in suite.tables
    ]


def build_table(
    suite: SuiteFile,
    spec: TableSpec,
    points: Sequence[Point],
    published: Published | None,
    stale: Set[str],
) -> Table:
    """Build one table; arguments and errors as of `build_tables`."""
    paper = reference.find_paper(suite, spec, published)
    mapping = spec.published or PublishedSpec(table="")
    standings = find_best(points, spec)
    source = Entries(spec, {(point.row, point.column): point for point in points}, standings, paper)
    rows = reference.headings([point.row for point in points], mapping.rows)
    across = reference.headings([point.column for point in points], mapping.columns)
    columns = make_columns(across, spec.metric)
    entries, footnotes = number_remarks(source.fill(rows, columns, stale))
    return Table(
        suite=suite.suite,
        id=spec.id,
        caption=notes.caption(suite, spec),
        scales=tuple(dict.fromkeys(point.cell.scale for point in points)),
        row_axes=spec.rows,
        column_axes=spec.columns,
        rows=rows,
        columns=columns,
        entries=entries,
        notes=notes.table_notes(suite, spec, points, standings, paper, entries),
        footnotes=footnotes,
    )
