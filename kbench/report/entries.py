"""Entries of a table: measured numbers, their rank, and the published ones beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kbench.report.best import Standings
from kbench.report.comparison import put_beside
from kbench.report.headings import Heading
from kbench.report.lookup import Paper
from kbench.report.measured import Measurements
from kbench.report.quantity import Quantity, printed_metric, with_part
from kbench.report.reference import find_reference
from kbench.report.statistics import summarise
from kbench.report.table import Entry


@dataclass(frozen=True)
class Entries:
    """Everything that the entries of one table come from.

    Attributes:
        measurements: What was measured.
        standings: Which points are best.
        papers: The published tables.
    """

    measurements: Measurements
    standings: Standings
    papers: Sequence[Paper]

    def fill(self, rows: Sequence[Heading], columns: Sequence[Heading]) -> list[list[Entry]]:
        """Return the entries of every row; either direction says what the numbers are."""
        return [
            [
                self.entry(row, column, quantity)
                for column in columns
                if (quantity := row.quantity or column.quantity)
            ]
            for row in rows
        ]

    def entry(self, row: Heading, column: Heading, quantity: Quantity) -> Entry:
        """Return what stands in one place."""
        measured = self.measurements.measure(row, column, quantity)
        summary = summarise(measured.sample.values())
        name = with_part(quantity.name, row.part or column.part)
        place = (row.labels, column.labels, name)
        unlike = self.standings.remarks.get(place)
        remarks = (*measured.remarks, *([unlike] if unlike else []))
        metric = printed_metric(quantity.metric, row.operation or column.operation)
        entry = Entry(metric, text=measured.text, has_cells=measured.has_cells)
        if summary is not None:
            rank = self.standings.ranks.get(place)
            entry = Entry(
                metric,
                value=summary.mean,
                std=summary.std,
                n=summary.n,
                is_best=rank == "best",
                is_second=rank == "second",
                contrast=self.standings.contrasts.get(place),
            )
        reference = find_reference(self.papers, row, column, replace(quantity, metric=metric))
        if reference is not None:
            entry = put_beside(entry, measured, reference, self.measurements.spec.tolerance)
            remarks += reference.remarks
        return replace(entry, remarks=tuple(dict.fromkeys(remarks)))
