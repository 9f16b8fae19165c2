"""What was measured in a place of a table: one point, or two of them combined."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kbench.report.axes import NOT_SET, Path
from kbench.report.collect import Point
from kbench.report.headings import Heading
from kbench.report.protocol import is_papers_protocol, protocol_differences
from kbench.report.quantity import Operation, Quantity, combine, with_part
from kbench.report.remarks import NOT_RUN, absence, point_remarks
from kbench.report.statistics import Sample
from kbench.table_file import TableSpec


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        sample: Values by seed.
        text: What stands there without values.
        remarks: What has to be known about it.
        is_papers_protocol: Whether all images and the full scale were used, and like was
            combined with like.
        has_cells: Whether the suite has cells for it.
    """

    sample: Sample
    text: str
    remarks: tuple[str, ...] = ()
    is_papers_protocol: bool = True
    has_cells: bool = True

    @property
    def is_missing(self) -> bool:
        """Return whether nothing has run yet."""
        return not self.sample and self.text in (NOT_RUN, NOT_SET)


NOTHING = Measured({}, NOT_SET, has_cells=False)
SIDES: dict[Operation, str] = {
    "minus": "{} on one side of the difference",
    "over": "{} on one side of the ratio",
}


@dataclass(frozen=True)
class Measurements:
    """The points of a table.

    Attributes:
        spec: The table as the suite asks for it.
        points: Its points, by row and column.
    """

    spec: TableSpec
    points: Mapping[tuple[Path, Path], Point]

    def measure(self, row: Heading, column: Heading, quantity: Quantity) -> Measured:
        """Return what was measured in one place; nothing where both directions are derived."""
        part = row.part or column.part
        if (row.operands and column.operands) or not (row.is_measured and column.is_measured):
            return NOTHING
        if row.operands:
            places = [(path, column.labels) for path in row.operands]
            return self.combine(row.operation, places, quantity, part)
        if column.operands:
            places = [(row.labels, path) for path in column.operands]
            return self.combine(column.operation, places, quantity, part)
        point = self.points.get((row.labels, column.labels))
        if point is None:
            return NOTHING
        remarks = tuple(_remarks(point, quantity, part))
        sample = quantity.sample(point, part)
        return Measured(sample, absence(point), remarks, is_papers_protocol(point.cell))

    def combine(
        self,
        operation: Operation,
        places: Sequence[tuple[Path, Path]],
        quantity: Quantity,
        part: str,
    ) -> Measured:
        """Return differences or ratios, seed by seed, of the points in two places."""
        points = [self.points[place] for place in places if place in self.points]
        if len(points) < 2:
            return NOTHING
        first, second = (quantity.sample(point, part) for point in points)
        unlike = protocol_differences(points, self.spec).values()
        told = [
            f"{_name(point, points)}: {text}"
            for point in points
            for text in _remarks(point, quantity, part)
        ]
        remarks = (*told, *map(SIDES[operation].format, unlike))
        text = "no common seed"
        if not (first and second):
            text = absence(points[1] if first else points[0])
        is_comparable = all(is_papers_protocol(point.cell) for point in points) and not unlike
        return Measured(combine(operation, first, second), text, remarks, is_comparable)


def _remarks(point: Point, quantity: Quantity, part: str) -> Iterator[str]:
    names = [name for name in (quantity.first, quantity.second) if name]
    found = [text for name in names for text in point_remarks(point, with_part(name, part))]
    yield from dict.fromkeys(found)


def _name(point: Point, points: Sequence[Point]) -> str:
    """Return the labels in which a point differs from the other one."""
    is_same_row = points[0].row == points[1].row
    return " / ".join(point.column if is_same_row else point.row)
