"""What was measured in a place of a table: one point, or the difference of two."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from kbench.metrics import Metric
from kbench.report.axes import NOT_SET, Path
from kbench.report.collect import Point
from kbench.report.protocol import is_papers_protocol, protocol_differences
from kbench.report.reference import Heading
from kbench.report.remarks import NOT_RUN, absence, point_remarks
from kbench.report.statistics import Sample, paired_differences
from kbench.suite_file import TableSpec


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        sample: Values by seed.
        text: What stands there without values.
        remarks: What has to be known about it.
        is_papers_protocol: Whether all images and the full scale were used, and like was
            subtracted from like.
    """

    sample: Sample
    text: str
    remarks: tuple[str, ...] = ()
    is_papers_protocol: bool = True

    @property
    def is_missing(self) -> bool:
        """Return whether nothing has run yet."""
        return not self.sample and self.text in (NOT_RUN, NOT_SET)


NOTHING = Measured({}, NOT_SET)
ONE_SIDE = "{} on one side of the difference"


@dataclass(frozen=True)
class Measurements:
    """The points of a table.

    Attributes:
        spec: The table as the suite asks for it.
        points: Its points, by row and column.
        stale: Ids of cells whose record was made by older code.
    """

    spec: TableSpec
    points: Mapping[tuple[Path, Path], Point]
    stale: Set[str]

    def measure(self, row: Heading, column: Heading, metric: Metric) -> Measured:
        """Return what was measured in one place; nothing for a difference of differences."""
        if row.minus and column.minus:
            return NOTHING
        if row.minus:
            return self.subtract([(path, column.labels) for path in row.minus], metric)
        if column.minus:
            return self.subtract([(row.labels, path) for path in column.minus], metric)
        point = self.points.get((row.labels, column.labels))
        if point is None:
            return NOTHING
        remarks = tuple(point_remarks(point, metric.name, self.stale))
        sample = point.sample(metric.name)
        return Measured(sample, absence(point), remarks, is_papers_protocol(point.cell))

    def subtract(self, places: Sequence[tuple[Path, Path]], metric: Metric) -> Measured:
        """Return the differences, seed by seed, of the points in two places."""
        points = [self.points[place] for place in places if place in self.points]
        if len(points) < 2:
            return NOTHING
        first, second = (point.sample(metric.name) for point in points)
        unlike = protocol_differences(points, self.spec).values()
        remarks = [*self._remarks(points, metric), *map(ONE_SIDE.format, unlike)]
        text = "no common seed"
        if not (first and second):
            text = absence(points[1] if first else points[0])
        is_comparable = all(is_papers_protocol(point.cell) for point in points) and not unlike
        return Measured(paired_differences(first, second), text, tuple(remarks), is_comparable)

    def _remarks(self, points: Sequence[Point], metric: Metric) -> Iterator[str]:
        for point in points:
            for text in point_remarks(point, metric.name, self.stale):
                yield f"{_name(point, points)}: {text}"


def _name(point: Point, points: Sequence[Point]) -> str:
    """Return the labels in which a point differs from the other one."""
    is_same_row = points[0].row == points[1].row
    return " / ".join(point.column if is_same_row else point.row)
