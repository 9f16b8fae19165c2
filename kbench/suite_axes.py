"""What a suite's tables and filters may name: axes of its cells, and metrics."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from kbench.catalogue import find_entries
from kbench.errors import UnknownNameError, guess, unknown
from kbench.expansion import AXES, REGISTERED, Suite
from kbench.findings import Findings, Loc
from kbench.metrics import find_metric
from kbench.recipe import PARTS, Recipe
from kbench.suite_file import Block, ChoiceSpec


def find_choices(suite: Suite) -> Iterator[tuple[Loc, str, ChoiceSpec]]:
    """Yield every registered name of the file with its place and kind."""
    file = suite.file
    for i, spec in enumerate(file.evaluate):
        yield ("evaluate", i), "evaluation", spec
    blocks: list[tuple[Loc, Block]] = [(("grid", i), block) for i, block in enumerate(file.grid)]
    for scale, override in file.scales.items():
        inside: Loc = ("scales", scale)
        for i, spec in enumerate(override.evaluate or ()):
            yield (*inside, "evaluate", i), "evaluation", spec
        blocks += [((*inside, "grid", i), block) for i, block in enumerate(override.grid or ())]
    for loc, block in blocks:
        for kind in REGISTERED:
            for i, spec in enumerate(getattr(block, kind)):
                yield (*loc, kind, i), kind, spec


def check_tables(suite: Suite, findings: Findings) -> None:
    """Check the id, axes, metrics, tolerances and published numbers of every table."""
    ids = [table.id for table in suite.file.tables]
    for i, table in enumerate(suite.file.tables):
        if table.id in ids[:i]:
            text = f"id {table.id!r} is that of an earlier table"
            findings.add(suite.document, ("tables", i, "id"), text)
        _check_tolerance(suite, i, findings)
        for key, axes in (
            ("rows", table.rows),
            ("columns", table.columns),
            ("mean_over", table.mean_over),
        ):
            for j, axis in enumerate(axes):
                findings.add_if(suite.document, ("tables", i, key, j), unknown_axis(suite, axis))
        for j, name in enumerate(table.metric):
            try:
                find_metric(name)
            except UnknownNameError as error:
                findings.add(suite.document, ("tables", i, "metric", j), str(error))
        if table.published and not suite.file.paper:
            text = "published needs the suite's key 'paper', the file of published numbers"
            findings.add(suite.document, ("tables", i, "published"), text)


def _check_tolerance(suite: Suite, index: int, findings: Findings) -> None:
    """Refuse the tolerance of a metric that a table does not show."""
    table = suite.file.tables[index]
    shown = [*table.metric, *(item.label for item in table.derived if item.metric is not None)]
    known = list(dict.fromkeys([*shown, *(name.partition(".")[0] for name in shown)]))
    for name in table.tolerance.metrics:
        if name not in known:
            loc = ("tables", index, "tolerance", name)
            findings.add(suite.document, loc, unknown("metric of the table", name, known))


def unknown_axis(suite: Suite, axis: str, allowed: Sequence[str] = AXES) -> str:
    """Return that a suite has no such axis, or nothing.

    Args:
        suite: The suite; options of names that are not known are left out.
        axis: A kind, such as `operator`, or a kind and an option, such as `operator.expansion`.
        allowed: Kinds that may be named.
    """
    kind, dot, _ = axis.partition(".")
    known: Iterable[str] = [*allowed, *(_option_axes(suite, kind) if dot else ["KIND.OPTION"])]
    if axis in known and axis != "KIND.OPTION":
        return ""
    return f"unknown axis {axis!r}{guess(axis, known)}; known: {', '.join(known)}"


def _option_axes(suite: Suite, kind: str) -> list[str]:
    """Return the axes of a kind's options, over all names that the suite has of the kind."""
    if kind == "recipe":
        return _recipe_axes()
    if kind not in REGISTERED:
        return []
    names = {spec.name for _, found, spec in find_choices(suite) if found == kind}
    entries = find_entries(kind)
    known = [entries[name].options for name in names if name in entries]
    return sorted({f"{kind}.{option}" for options in known for option in options})


def _recipe_axes() -> list[str]:
    """Return the axes of a recipe's fields, those of its parts with both names."""
    plain = [field.name for field in fields(Recipe) if field.name not in PARTS]
    inner = [f"{name}.{field.name}" for name, part in PARTS.items() for field in fields(part)]
    return [f"recipe.{name}" for name in (*plain, *inner)]
