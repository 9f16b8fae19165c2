"""Rows and columns of a table: of points, of two others combined, of the paper alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from kbench.errors import unknown
from kbench.report.axes import Path, order
from kbench.report.quantity import Operation, Quantity, operation_of
from kbench.table_file import DerivedSpec

SEPARATOR = "/"
MINUS = " - "


@dataclass(frozen=True)
class Heading:
    """A row or a column.

    Attributes:
        labels: Labels on the axes, outermost first.
        operands: Labels of the two others that it is derived of.
        operation: How the two are combined, seed by seed.
        is_measured: Whether it can have points; one of the paper alone cannot.
        quantity: What its numbers are, if not the other direction says so.
        part: Layer, epoch or another part that its numbers are of.
        group: Title of its group.
        texts: Labels as they are printed, those of group, part and metric too.
        notes: Footnotes.
        marks: Letters of the footnotes.
    """

    labels: Path
    operands: tuple[Path, Path] | None = None
    operation: Operation = ""
    is_measured: bool = True
    quantity: Quantity | None = None
    part: str = ""
    group: str = ""
    texts: Path = ()
    notes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the labels as suite files write them."""
        return SEPARATOR.join(label for label in self.labels if label)

    @property
    def place(self) -> str:
        """Return the key with the part."""
        return SEPARATOR.join(text for text in (self.key, self.part) if text)

    def names(self, metric: str = "") -> list[str]:
        """Return the names that suite files may use, the most special one first.

        Args:
            metric: Metric of the place, if it is the other direction's.
        """
        name = metric or (self.quantity.name if self.quantity else "")
        tails = [(self.part, name), (self.part,), (name,), ()]
        paths = [(self.key, *(text for text in tail if text)) for tail in tails]
        return list(dict.fromkeys(SEPARATOR.join(path) for path in paths))


def make_headings(
    paths: Iterable[Path], derived: Sequence[DerivedSpec], mapped: Iterable[str] = ()
) -> list[Heading]:
    """Return the rows or columns in the order of the suite, those derived of two after them.

    Args:
        paths: Labels of the points.
        derived: Rows or columns to derive; both operands have to be there.
        mapped: Labels that have published numbers: `a - b` is the difference of two.
    """
    ordered = order(paths)
    known = {SEPARATOR.join(path): path for path in ordered}
    headings = list(map(Heading, ordered))
    wanted: list[tuple[str, str, str, Operation]] = [
        (spec.label, *spec.operands, operation_of(spec)) for spec in derived
    ]
    for key in mapped:
        first, minus, second = key.partition(MINUS)
        if minus and key not in known:
            wanted.append((key, first, second, "minus"))
    for text, first, second, operation in dict.fromkeys(wanted):
        if first in known and second in known:
            labels = (text, *[""] * (len(known[first]) - 1))
            headings.append(Heading(labels, (known[first], known[second]), operation))
    return headings


def with_levels(
    headings: Iterable[Heading], parts: Sequence[str], quantities: Sequence[Quantity]
) -> list[Heading]:
    """Return headings with the parts and quantities as their innermost levels.

    Args:
        headings: Rows or columns.
        parts: Parts of the metrics, if this direction has them.
        quantities: What is shown, if this direction has it.
    """
    return [
        replace(heading, part=part, quantity=quantity)
        for heading, part, quantity in product(headings, parts or ("",), quantities or (None,))
    ]


def arrange(
    headings: Sequence[Heading],
    groups: Mapping[str, Sequence[str]],
    paper: Mapping[str, str],
    quantities: Sequence[Quantity] = (),
) -> list[Heading]:
    """Return the headings that are wanted, in order, with their groups.

    A key that no heading has is a row or column that the paper alone has, or it is left out.

    Args:
        headings: What there is.
        groups: Keys that are wanted, by the title of the group; all if empty.
        paper: Rows or columns that the paper has: our key to its label.
        quantities: What is shown, if this direction has it.
    """
    if not groups:
        return list(headings)
    depth = len(headings[0].labels) if headings else 1
    found: list[Heading] = []
    for title, keys in groups.items():
        for key in keys:
            own = [heading for heading in headings if key in heading.names()]
            if not own and key in paper:
                own = _of_paper(key, depth, quantities)
            found += [replace(heading, group=title) for heading in own if heading not in found]
    return found


def _of_paper(key: str, depth: int, quantities: Sequence[Quantity]) -> list[Heading]:
    base, _, last = key.rpartition(SEPARATOR)
    own = [quantity for quantity in quantities if quantity.name == last]
    labels = (base if own else key, *[""] * (depth - 1))
    return [
        Heading(labels, is_measured=False, quantity=quantity)
        for quantity in (own or quantities or (None,))
    ]


def find_unknown(
    place: str, keys: Iterable[str], headings: Iterable[Heading], metrics: Iterable[str]
) -> list[str]:
    """Return a finding, with the nearest, for every key that no row or column has.

    Args:
        place: What the keys stand in, for the message.
        keys: The keys.
        headings: Rows or columns, before any are left out.
        metrics: Names of the metrics, if they are the other direction's.
    """
    names = ["", *metrics]
    known = {key for heading in headings for name in names for key in heading.names(name)}
    return [f"{place}: {unknown('key', key, known)}" for key in keys if key not in known]
