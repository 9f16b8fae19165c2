"""Axes of tables: what a cell is called in a row or a column."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from types import MappingProxyType

from kbench.cell import Cell, Choice, Scalar, as_text
from kbench.expansion import axis_values

Path = tuple[str, ...]
NOT_SET = "-"
KINDS = ("dataset", "architecture", "operator")


def axis_reader(axis: str) -> Callable[[Cell], tuple[Scalar, ...]]:
    """Return a function that gives a cell's values on an axis, the label first.

    Cells share their choices and recipes, so each of these is looked at once.
    """
    kind = axis.partition(".")[0]
    known: dict[tuple[int, str], tuple[Scalar, ...]] = {}

    def read(cell: Cell) -> tuple[Scalar, ...]:
        key = (id(getattr(cell, kind)), cell.recipe_label)
        if key not in known:
            known[key] = axis_values(cell, axis)
        return known[key]

    return read


def path_reader(
    axes: tuple[str, ...], rename: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Cell], Path]:
    """Return a function that gives a cell's label on each of several axes.

    Args:
        axes: The axes.
        rename: Labels that are to be called otherwise.
    """
    readers = [axis_reader(axis) for axis in axes]

    def read(cell: Cell) -> Path:
        texts = (label(reader(cell)) for reader in readers)
        return tuple(rename.get(text, text) for text in texts)

    return read


def label(values: tuple[Scalar, ...]) -> str:
    """Return the text of a cell's value on an axis; a dash where it has none."""
    return as_text(values[0]) if values else NOT_SET


def where_filter(where: Mapping[str, tuple[Scalar, ...]]) -> Callable[[Cell], bool]:
    """Return a function that says whether a cell has one of the values on every axis."""
    rules = [(axis_reader(axis), values) for axis, values in where.items()]
    return lambda cell: all(any(v in values for v in read(cell)) for read, values in rules)


def order(paths: Iterable[Path]) -> list[Path]:
    """Return paths once each, sorted level by level by the first appearance of labels.

    Equal outer labels come to stand side by side, as grouped headers need it.
    """
    unique = list(dict.fromkeys(paths))
    places = [
        {text: i for i, text in enumerate(dict.fromkeys(labels))}
        for labels in zip(*unique, strict=True)
    ]
    return sorted(
        unique, key=lambda path: [place[part] for place, part in zip(places, path, strict=True)]
    )


def differences(first: Cell, second: Cell) -> Iterator[str]:
    """Yield the axes on which two cells differ, the seed apart."""
    if first.suite != second.suite:
        yield "suite"
    for name in ("scale", "task", "limit"):
        if getattr(first, name) != getattr(second, name):
            yield name
    for kind in KINDS:
        yield from _choice_differences(kind, getattr(first, kind), getattr(second, kind))
    if first.recipe != second.recipe:
        fields, others = asdict(first.recipe), asdict(second.recipe)
        yield from (f"recipe.{name}" for name, value in fields.items() if value != others[name])


def _choice_differences(kind: str, first: Choice, second: Choice) -> Iterator[str]:
    if first is second:
        return
    if first.name != second.name:
        yield kind
        return
    for name in sorted({*first.options, *second.options}):
        if first.options.get(name) != second.options.get(name):
            yield f"{kind}.{name}"
