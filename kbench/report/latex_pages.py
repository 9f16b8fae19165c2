"""Pages of a standalone LaTeX document: what fits, and how a table is split if it does not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from kbench.report.latex_columns import Layout
from kbench.report.table import Table

# Characters of 9 pt and rows that fit on an A4 page with margins of 2 cm. A table a little
# wider is scaled down and stays readable.
PORTRAIT_CHARACTERS, LANDSCAPE_CHARACTERS = 105, 150
PORTRAIT_ROWS, LANDSCAPE_ROWS = 45, 28
SQUEEZE = 1.15


@dataclass(frozen=True)
class Part:
    """Rows and columns that stand on one page, by index."""

    rows: Sequence[int]
    columns: Sequence[int]


def whole(table: Table) -> Part:
    """Return a part with everything."""
    return Part(range(len(table.rows)), range(len(table.columns)))


def is_wide(layout: Layout) -> bool:
    """Return whether a table does not fit on an upright page."""
    has_rows = bool(layout.table.rows)
    return has_rows and layout.label_width + sum(layout.widths) > PORTRAIT_CHARACTERS


def split(layout: Layout, *, turned: bool) -> list[Part]:
    """Return the parts of a table, each of which fits on a page.

    Args:
        layout: The table.
        turned: Whether pages are landscape.
    """
    table = layout.table
    if not table.rows:
        return [whole(table)]
    room = (LANDSCAPE_CHARACTERS if turned else PORTRAIT_CHARACTERS) * SQUEEZE
    height = LANDSCAPE_ROWS if turned else PORTRAIT_ROWS
    stripes = list(_stripes(layout, room - layout.label_width))
    count = len(table.rows)
    return [
        Part(range(start, min(start + height, count)), columns)
        for columns in stripes
        for start in range(0, count, height)
    ]


def _stripes(layout: Layout, room: float) -> Iterator[list[int]]:
    """Yield columns that fit side by side; columns under one outer label stay together if they can.

    A column wider than the room has a stripe of its own.
    """
    stripe: list[int] = []
    used = 0
    for group in _groups(layout, room):
        needed = sum(layout.widths[index] for index in group)
        if stripe and used + needed > room:
            yield stripe
            stripe, used = [], 0
        stripe, used = stripe + group, used + needed
    if stripe:
        yield stripe


def _groups(layout: Layout, room: float) -> Iterator[list[int]]:
    columns = layout.table.columns
    for _, group in groupby(range(len(columns)), key=lambda i: columns[i].texts[:1]):
        members = list(group)
        if sum(layout.widths[index] for index in members) <= room:
            yield members
        else:
            yield from ([index] for index in members)
