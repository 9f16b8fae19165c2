"""One table, from points, comparisons and published tables."""

from collections.abc import Sequence

from kbench.report.best import Standings
from kbench.report.collect import Point
from kbench.report.directions import (
    caption,
    drop_empty_levels,
    find_directions,
    refuse_unknown,
)
from kbench.report.entries import Entries
from kbench.report.lookup import Paper
from kbench.report.measured import Measurements
from kbench.report.table import Table
from kbench.suite_file import SuiteFile
from kbench.table_file import TableSpec


def assemble(
    suite: SuiteFile,
    spec: TableSpec,
    points: Sequence[Point],
    standings: Standings,
    papers: Sequence[Paper],
) -> Table:
    """Return a table without its notes.

    Raises:
        SuiteError: At full scale, if keys of the table belong to no row or column.
        UnknownNameError: If a metric is not known.
    """
    measurements = Measurements(spec, {(point.row, point.column): point for point in points})
    down, across = find_directions(spec, papers)
    refuse_unknown((down, across), points)
    rows, row_names = drop_empty_levels(down.headings(points), down.names())
    columns, _ = drop_empty_levels(across.headings(points), across.names())
    entries = Entries(measurements, standings, papers).fill(rows, columns)
    return Table(
        suite=suite.suite,
        id=spec.id,
        caption=caption(suite.title, spec),
        scales=tuple(dict.fromkeys(point.cell.scale for point in points)),
        paper=suite.paper or "",
        row_axes=spec.rows,
        column_axes=spec.columns,
        row_names=row_names,
        rows=rows,
        columns=columns,
        entries=tuple(map(tuple, entries)),
        baseline=_shown_baseline(spec),
    )


def _shown_baseline(spec: TableSpec) -> str:
    """Return the baseline whose differences have columns; nothing without one."""
    if spec.compare is None or not spec.compare.intervals:
        return ""
    return spec.labels.get(spec.compare.baseline, spec.compare.baseline)
