"""From a suite and its records to tables."""

from collections.abc import Sequence
from dataclasses import replace

from kbench.report.assemble import assemble
from kbench.report.best import find_best
from kbench.report.collect import collect
from kbench.report.lookup import find_papers
from kbench.report.notes import table_notes
from kbench.report.outcome import Outcome
from kbench.report.published import Published
from kbench.report.table import Table, number_remarks
from kbench.suite_file import SuiteFile


def build_tables(
    suite: SuiteFile, outcomes: Sequence[Outcome], published: Published | None = None
) -> list[Table]:
    """Build the tables of a suite from what became of its cells.

    Args:
        suite: The suite file.
        outcomes: Those of its cells at one scale; stale ones are shown with a footnote.
        published: Published numbers of the suite's paper.

    Raises:
        SuiteError: If a point of a table would mix cells, a key belongs to no row or column, or
            published numbers are not there.
        UnknownNameError: If a metric is not known.
    """
    return [build_table(suite, i, outcomes, published) for i in range(len(suite.tables))]


def build_table(
    suite: SuiteFile, index: int, outcomes: Sequence[Outcome], published: Published | None
) -> Table:
    """Build one of a suite's tables, from 0; as `build_tables`."""
    spec = suite.tables[index]
    papers = find_papers(suite, spec, published)
    points = collect(outcomes, spec)
    standings = find_best(points, spec)
    table = assemble(suite, spec, points, standings, papers)
    notes = table_notes(suite, spec, points, standings, papers, table.entries)
    return number_remarks(replace(table, notes=notes))
