"""Direction in which the places of a table are compared with each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kbench.report.axes import Path
from kbench.report.collect import Point
from kbench.report.headings import SEPARATOR
from kbench.table_file import TableSpec

Place = tuple[Path, Path, str]
COMPARED_KINDS = ("operator", "architecture", "recipe")


@dataclass(frozen=True)
class Side:
    """Direction in which a table is read for the best.

    Attributes:
        name: `row` if the columns of a row are compared, `column` if the rows of a column are.
        levels: Which axes of the other direction are compared; the rest separate blocks.
    """

    name: Literal["row", "column"]
    levels: frozenset[int]

    def block(self, point: Point) -> tuple[Path, Path]:
        """Return what the points of one block have in common."""
        along, across = (
            (point.row, point.column) if self.name == "row" else (point.column, point.row)
        )
        return along, tuple(item for i, item in enumerate(across) if i not in self.levels)

    def compared(self, point: Point) -> str:
        """Return the labels that are compared, as suite files write them."""
        across = point.column if self.name == "row" else point.row
        return SEPARATOR.join(label for i, label in enumerate(across) if i in self.levels)

    def separating(self, spec: TableSpec) -> list[str]:
        """Return the axes that part a row or column into several blocks."""
        across = spec.columns if self.name == "row" else spec.rows
        return [axis for i, axis in enumerate(across) if i not in self.levels]


def find_side(spec: TableSpec) -> Side | None:
    """Return where operators are compared, or architectures, or recipes; datasets never are."""
    for kind in COMPARED_KINDS:
        sides: list[tuple[Literal["row", "column"], Sequence[str]]] = [
            ("row", spec.columns),
            ("column", spec.rows),
        ]
        sides.sort(key=lambda side: kind not in side[1])
        for name, axes in sides:
            levels = {i for i, axis in enumerate(axes) if axis.partition(".")[0] == kind}
            if levels:
                return Side(name, frozenset(levels))
    return None
