"""Rows and columns of a table, from its points and what the suite says of them."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from kbench.errors import SuiteError
from kbench.metrics import Metric
from kbench.report.axes import Path
from kbench.report.collect import Point
from kbench.report.headings import (
    MINUS,
    SEPARATOR,
    Heading,
    arrange,
    find_unknown,
    make_headings,
    with_levels,
)
from kbench.report.lookup import Paper
from kbench.report.quantity import Quantity, find_quantities
from kbench.table_file import DerivedSpec, TableSpec

ARROWS = {"max": " ↑", "min": " ↓", "none": ""}
PART = "part"
METRIC = "metric"


@dataclass(frozen=True)
class Direction:
    """Rows or columns of a table.

    Attributes:
        name: Which of the two.
        spec: The table as the suite asks for it.
        papers: The published tables.
        quantities: What the table shows of a point.
    """

    name: Literal["rows", "columns"]
    spec: TableSpec
    papers: Sequence[Paper]
    quantities: Sequence[Quantity]

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes of this direction."""
        return self.spec.rows if self.name == "rows" else self.spec.columns

    @property
    def own(self) -> Sequence[Quantity]:
        """Return what is shown, if this direction says so."""
        return self.quantities if self.spec.metrics_as == self.name else ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the parts of the metrics, which are levels of rows."""
        return self.spec.parts if self.name == "rows" else ()

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Return the keys that are shown, by the title of their group."""
        order = self.spec.order
        return order.rows if self.name == "rows" else order.columns

    @property
    def notes(self) -> Mapping[str, str]:
        """Return footnotes by key."""
        return self.spec.row_notes if self.name == "rows" else self.spec.column_notes

    @property
    def derived(self) -> list[DerivedSpec]:
        """Return what is derived of two rows, or of two columns."""
        is_row = self.name == "rows"
        return [
            item for item in self.spec.derived if (item.row if is_row else item.column) is not None
        ]

    def mapping(self, paper: Paper) -> Mapping[str, tuple[str, ...]]:
        """Return our keys to the ids of a published table."""
        return paper.spec.rows if self.name == "rows" else paper.spec.columns

    def labels(self) -> dict[str, str]:
        """Return the paper's label of every key that is asked for."""
        found: dict[str, str] = {}
        for paper in self.papers:
            part = paper.table.rows if self.name == "rows" else paper.table.columns
            known = {label.id: label.label for label in part}
            for key in (key for keys in self.groups.values() for key in keys):
                name = self.mapping(paper).get(key, (key,))[0]
                if name in known:
                    found.setdefault(key, known[name])
        return found

    def headings(self, points: Sequence[Point]) -> tuple[Heading, ...]:
        """Return the rows or columns as they are shown."""
        labels = self.labels()
        shown = arrange(self._make(points), self.groups, labels, self.own)
        return tuple(self._finish(heading, labels) for heading in shown)

    def find_unknown(self, points: Sequence[Point]) -> list[str]:
        """Return a finding for every key of the table that, at full scale, belongs to nothing."""
        if not any(point.cell.scale == "full" for point in points):
            return []
        made = self._make(points)
        names = [] if self.own else [quantity.name for quantity in self.quantities]
        found = (
            find_unknown(f"table {self.spec.id!r}: {place}", keys, made, names)
            for place, keys in self._keys(self.labels(), made)
        )
        return list(chain.from_iterable(found))

    def _make(self, points: Sequence[Point]) -> list[Heading]:
        """Return all rows or columns that points, what is derived and the paper make."""
        paths = [point.row if self.name == "rows" else point.column for point in points]
        mapped = [key for paper in self.papers for key in self.mapping(paper)]
        made = make_headings(paths, self.derived, mapped)
        return with_levels(made, self.parts, self.own)

    def _keys(
        self, labels: Mapping[str, str], made: Sequence[Heading]
    ) -> Iterator[tuple[str, Iterable[str]]]:
        """Yield the keys that a table uses, with the place where it does."""
        index = 0 if self.name == "rows" else 1
        for paper in self.papers:
            keys = [key for key in self.mapping(paper) if MINUS not in key]
            yield f"published.{self.name}", _without(keys, labels)
            yield "published.cells", [place.ours[index] for place in paper.spec.cells]
        yield f"order.{self.name}", _without(chain.from_iterable(self.groups.values()), labels)
        outer = chain.from_iterable(map(_outer, made))
        yield f"{self.name.removesuffix('s')}_notes", _without(self.notes, {*labels, *outer})
        yield "derived", chain.from_iterable(item.operands for item in self.derived)

    def _finish(self, heading: Heading, labels: Mapping[str, str]) -> Heading:
        """Return a heading with its printed texts and footnotes."""
        texts = [*self._label_texts(heading, labels)]
        if any(self.groups):
            texts.insert(0, heading.group)
        if self.parts:
            texts.append(self._text(heading.part))
        if len(self.own) > 1:
            texts.append(self._metric_text(heading))
        keys = [*heading.names(), *_outer(heading)]
        notes = [self.notes[key] for key in dict.fromkeys(keys) if key in self.notes]
        return replace(heading, texts=tuple(texts), notes=tuple(notes))

    def _label_texts(self, heading: Heading, labels: Mapping[str, str]) -> Path:
        rest = ("",) * (len(heading.labels) - 1)
        if heading.key in self.spec.labels:
            return self.spec.labels[heading.key], *rest
        if not heading.is_measured:
            return labels.get(heading.key, heading.key), *rest
        if heading.operands is not None:
            return heading.labels
        return tuple(
            self._option_text(axis, text)
            for axis, text in zip(self.axes, heading.labels, strict=True)
        )

    def _option_text(self, axis: str, text: str) -> str:
        """Return a label; a column's that is an option's value has the option's name."""
        known = self.spec.labels
        has_name = text in known or text in self.spec.rename.values()
        if has_name or self.name == "rows" or "." not in axis:
            return self._text(text)
        return f"{known.get(axis, axis.partition('.')[2])}={text}"

    def _text(self, label: str) -> str:
        return self.spec.labels.get(label, label)

    def _metric_text(self, heading: Heading) -> str:
        quantity = heading.quantity
        return "" if quantity is None else metric_label(quantity.metric, self.spec.labels)

    def names(self) -> Path:
        """Return what stands above the texts of rows, one name for each level."""
        known = self.spec.labels
        names = [known.get(axis, axis) for axis in self.axes]
        names = ["", *names] if any(self.groups) else names
        names += [known.get(PART, PART)] if self.parts else []
        names += [known.get(METRIC, METRIC)] if len(self.own) > 1 else []
        return tuple(names)


def _without(keys: Iterable[str], known: Container[str]) -> list[str]:
    return [key for key in keys if key not in known]


def _outer(heading: Heading) -> list[str]:
    """Return the outer labels of a heading, which a footnote may hold for as well."""
    labels = [label for label in heading.labels if label]
    return [SEPARATOR.join(labels[:depth]) for depth in range(1, len(labels))]


def find_directions(spec: TableSpec, papers: Sequence[Paper]) -> tuple[Direction, Direction]:
    """Return rows and columns of a table.

    Raises:
        UnknownNameError: If a metric is not known.
    """
    quantities = find_quantities(spec)
    return (
        Direction("rows", spec, papers, quantities),
        Direction("columns", spec, papers, quantities),
    )


def refuse_unknown(directions: Iterable[Direction], points: Sequence[Point]) -> None:
    """Refuse keys of a table that, at full scale, belong to no row or column.

    Raises:
        SuiteError: A finding for each of them.
    """
    findings = [text for direction in directions for text in direction.find_unknown(points)]
    if findings:
        raise SuiteError(findings)


def caption(title: str, spec: TableSpec) -> str:
    """Return the title of a table, with what it shows if that is one thing only.

    Args:
        title: The suite's title, for a table without one.
        spec: The table as the suite asks for it.
    """
    quantities = find_quantities(spec)
    own = spec.title or title
    if len(quantities) > 1:
        return own
    return f"{own}: {metric_label(quantities[0].metric, spec.labels)}"


def drop_empty_levels(headings: Sequence[Heading], names: Path) -> tuple[tuple[Heading, ...], Path]:
    """Return headings without the levels that are empty in all of them."""
    kept = [
        level for level in range(len(names)) if any(heading.texts[level] for heading in headings)
    ]
    shown = tuple(
        replace(heading, texts=tuple(heading.texts[level] for level in kept))
        for heading in headings
    )
    return shown, tuple(names[level] for level in kept)


def metric_label(metric: Metric, labels: Mapping[str, str]) -> str:
    """Return name, direction and unit of a metric, or the text that a suite gives it."""
    if metric.name in labels:
        return labels[metric.name]
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.name}{ARROWS[metric.direction]}{unit}"
