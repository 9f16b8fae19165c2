"""What a table shows of a point: a metric, or the difference or ratio of two."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from kbench.metrics import Metric, find_metric
from kbench.report.collect import Point
from kbench.report.statistics import Sample, paired_differences, paired_ratios
from kbench.table_file import DerivedSpec, TableSpec

Operation = Literal["", "minus", "over"]
RATIO_DECIMALS = 2


@dataclass(frozen=True)
class Quantity:
    """A metric, or two of them combined.

    Attributes:
        metric: How it is called and printed.
        first: Name of the metric in records.
        second: Name of the second metric, if there are two.
        operation: How the two are combined.
    """

    metric: Metric
    first: str
    second: str = ""
    operation: Operation = ""

    @property
    def name(self) -> str:
        """Return what suites call it."""
        return self.metric.name

    def sample(self, point: Point, part: str = "") -> Sample:
        """Return the values of a point by seed.

        Args:
            point: The point.
            part: Layer, epoch or another part that the metric is of.
        """
        first = point.sample(with_part(self.first, part))
        if not self.operation:
            return first
        return combine(self.operation, first, point.sample(with_part(self.second, part)))


def plain(name: str) -> Quantity:
    """Return the quantity that is a metric.

    Raises:
        UnknownNameError: If it is not known.
    """
    return Quantity(find_metric(name), name)


def find_quantities(spec: TableSpec) -> list[Quantity]:
    """Return what a table shows of every point: its metrics, then those derived of two.

    Raises:
        UnknownNameError: If a metric is not known.
    """
    derived = [item for item in spec.derived if item.metric is not None]
    return [*map(plain, spec.metric), *map(_derive, derived)]


def measured_names(spec: TableSpec) -> Iterator[str]:
    """Yield the names in records of everything a table compares, that is of plain metrics."""
    for name, part in product(spec.metric, spec.parts or ("",)):
        yield with_part(name, part)


def with_part(name: str, part: str) -> str:
    """Return the name of a metric's part: `ratio.v0` of `layer1` is `ratio.layer1.v0`."""
    base, dot, rest = name.partition(".")
    return f"{base}.{part}{dot}{rest}" if part else name


def operation_of(spec: DerivedSpec) -> Operation:
    """Return how the two operands are combined."""
    return "minus" if spec.minus is not None else "over"


def combine(operation: Operation, first: Sample, second: Sample) -> Mapping[int, float]:
    """Return the difference or ratio for every seed that both have."""
    if operation == "minus":
        return paired_differences(first, second)
    return paired_ratios(first, second)


def printed_metric(metric: Metric, operation: Operation) -> Metric:
    """Return how a metric is printed after an operation: a ratio has no unit, and two decimals."""
    if operation == "over":
        return replace(metric, unit="", decimals=RATIO_DECIMALS)
    return metric


def _derive(spec: DerivedSpec) -> Quantity:
    first, second = spec.operands
    find_metric(second)
    operation = operation_of(spec)
    metric = replace(printed_metric(find_metric(first), operation), name=spec.label)
    return Quantity(metric, first, second, operation)
