"""What becomes of the published numbers: a list of all of them, or counts by paper."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kbench.expansion import Suite
from kbench.report.coverage import (
    Coverage,
    add_up,
    describe,
    find_coverage,
    find_places,
    summarise_paper,
)
from kbench.report.published import read_published
from kbench.report.published_files import published_files
from kbench.report.rows import Row
from kbench.report.suites import begun_scales, suite_tables
from kbench.report.table import Table
from kbench.report.uncovered import read_uncovered


def find_papers_coverage(
    suites: Sequence[Suite], results: Path, *, is_all: bool
) -> dict[str, list[Coverage]]:
    """Return what becomes of every published number that is known, by paper.

    Args:
        suites: Suites that may measure them.
        results: Folder of all results.
        is_all: Whether papers that no suite names belong to it as well.

    Raises:
        SuiteError: If a suite, its published numbers or the reasons for gaps are wrong.
        RecordError: If a record is damaged.
    """
    places = find_places(_tables(suites, results))
    found = {}
    for path in published_files(suites, whole_folders=is_all):
        published = read_published(path)
        uncovered = read_uncovered(path, published)
        found[published.paper] = find_coverage(published, places, uncovered)
    return found


def list_rows(found: dict[str, list[Coverage]]) -> list[Row]:
    """Return a line for every published number."""
    return [describe(paper, item) for paper, items in found.items() for item in items]


def summary_rows(found: dict[str, list[Coverage]]) -> list[Row]:
    """Return a line of counts for every paper, and their sums."""
    rows = [summarise_paper(paper, items) for paper, items in found.items()]
    return [*rows, add_up(rows)]


LISTS: dict[str, Callable[[dict[str, list[Coverage]]], list[Row]]] = {
    "published": list_rows,
    "summary": summary_rows,
}


def _tables(suites: Sequence[Suite], results: Path) -> Iterator[Table]:
    for suite in suites:
        for scale in begun_scales(suite, results) if suite.file.paper else ():
            yield from suite_tables(suite, scale, results)
