"""Entries of a table: measured numbers, their rank, and the published ones beside them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from kbench.report.axes import Path
from kbench.report.best import Standings
from kbench.report.collect import Point
from kbench.report.measured import Measured, Measurements
from kbench.report.published import PublishedTable
from kbench.report.reference import Heading, Reference, find_reference, find_verdict
from kbench.report.statistics import Summary, summarise
from kbench.report.table import Column, Entry
from kbench.suite_file import TableSpec


@dataclass(frozen=True)
class Entries:
    """Everything that the entries of one table come from.

    Attributes:
        spec: The table as the suite asks for it.
        points: What was measured, by row and column.
        standings: Which points are best.
        paper: The published table; None if the suite names none.
    """

    spec: TableSpec
    points: Mapping[tuple[Path, Path], Point]
    standings: Standings
    paper: PublishedTable | None

    def fill(
        self, rows: Sequence[Heading], columns: Sequence[Column], stale: Set[str]
    ) -> list[list[Entry]]:
        """Return the entries of every row."""
        measurements = Measurements(self.spec, self.points, stale)
        return [[self.entry(measurements, row, column) for column in columns] for row in rows]

    def entry(self, measurements: Measurements, row: Heading, column: Column) -> Entry:
        """Return what stands in one place."""
        heading, metric = column.heading, column.metric
        measured = measurements.measure(row, heading, metric)
        summary = summarise(measured.sample.values())
        place = (row.labels, heading.labels, metric.name)
        unlike = self.standings.remarks.get(place)
        remarks = (*measured.remarks, *([unlike] if unlike else []))
        entry = Entry(text=measured.text)
        if summary is not None:
            rank = self.standings.ranks.get(place)
            entry = Entry(
                value=summary.mean,
                std=summary.std,
                n=summary.n,
                is_best=rank == "best",
                is_second=rank == "second",
            )
        mapping = self.spec.published
        if self.paper is not None and mapping is not None:
            reference = find_reference(self.paper, mapping, row, heading, metric)
            entry = self.beside(entry, summary, measured, reference or Reference(None))
            remarks += reference.remarks if reference else ()
        return replace(entry, remarks=tuple(dict.fromkeys(remarks)))

    def beside(
        self, entry: Entry, summary: Summary | None, measured: Measured, reference: Reference
    ) -> Entry:
        """Put a published number beside a measured one."""
        if reference.value is None:
            return replace(entry, verdict="n/a")
        entry = replace(
            entry,
            published=reference.value,
            published_std=reference.std,
            published_n=reference.n,
        )
        if summary is None:
            return replace(entry, verdict="not run" if measured.is_missing else "n/a")
        return replace(
            entry,
            difference=summary.mean - reference.value,
            verdict=find_verdict(summary, reference, self.spec.tolerance)
            if measured.is_papers_protocol
            else "n/a",
        )
