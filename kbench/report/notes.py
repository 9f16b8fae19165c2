"""Footnotes that hold for a whole table."""

from collections.abc import Sequence

from kbench.catalogue import find_entry
from kbench.report.best import Standings
from kbench.report.collect import Point
from kbench.report.lookup import Paper
from kbench.report.published_notes import legend, source_notes
from kbench.report.standings_notes import baseline_notes, best_notes
from kbench.report.table import NOT_MEASURED, Entry, most_common_n
from kbench.suite_file import SuiteFile
from kbench.table_file import TableSpec

SPREAD = "mean ± sample standard deviation, n = {} seeds unless given; without ± a single seed"
LACKING = f"{NOT_MEASURED}: the cells are done, their records lack this number"


def table_notes(
    suite: SuiteFile,
    spec: TableSpec,
    points: Sequence[Point],
    standings: Standings,
    papers: Sequence[Paper],
    grid: Sequence[Sequence[Entry]],
) -> tuple[str, ...]:
    """Return the footnotes of a table: spread, marks, protocol, published numbers, own notes."""
    entries = [entry for row in grid for entry in row]
    common_n = most_common_n(grid)
    whose = "full" if suite.paper is None else "paper's"
    notes = [] if points else ["no cell of the suite belongs into this table"]
    notes += [SPREAD.format(common_n)] if common_n else []
    notes += best_notes(spec, standings, entries)
    notes += baseline_notes(spec, standings, entries)
    notes += [LACKING] if any(entry.text == NOT_MEASURED for entry in entries) else []
    notes += _protocol_notes(points, whose)
    notes += _published_notes(spec, papers, entries)
    return (*notes, *_dataset_notes(points), *suite.notes, *spec.notes)


def _published_notes(
    spec: TableSpec, papers: Sequence[Paper], entries: Sequence[Entry]
) -> list[str]:
    """Return the sources of the published numbers that are shown, and what verdicts mean."""
    shown = {source.table for entry in entries for source in entry.sources}
    notes = source_notes(paper.table for paper in papers if paper.table.id in shown)
    return [*notes, *legend(spec.tolerance, entries)] if papers else []


def _dataset_notes(points: Sequence[Point]) -> list[str]:
    """Return what has to be known about the datasets of a table."""
    datasets = {point.cell.dataset.name: point.cell.dataset.label for point in points}
    found = {label: find_entry("dataset", name).note for name, label in datasets.items()}
    return [f"{label}: {note}" for label, note in found.items() if note]


def _protocol_notes(points: Sequence[Point], whose: str) -> list[str]:
    scales = dict.fromkeys(point.cell.scale for point in points if point.cell.scale != "full")
    notes = [
        f"scale {scale}: not the {whose} protocol; its numbers are not comparable, no verdicts"
        for scale in scales
    ]
    for limit in dict.fromkeys(point.cell.limit for point in points):
        parts = [
            f"{count} {split} images"
            for split, count in (("training", limit.train), ("test", limit.test))
            if count is not None
        ]
        if parts:
            notes.append(f"limit: only the first {' and '.join(parts)}")
    return notes
