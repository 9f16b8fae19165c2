"""Suites: a file is read, its names and combinations are checked, all findings at once."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

from kbench.catalogue import find_clashes, find_entries
from kbench.cell import as_text
from kbench.errors import SuiteError, guess, unknown
from kbench.expansion import (
    AXES,
    REGISTERED,
    Suite,
    axis_values,
    expand,
    matches,
    read_suite,
)
from kbench.findings import Findings, Loc
from kbench.metrics import METRICS
from kbench.recipe import Augmentation, Recipe
from kbench.registry import unknown_option
from kbench.suite_file import Block, ChoiceSpec, Filter

ENTRY_POINTS = ("kbench.operators", "kbench.architectures", "kbench.datasets")


def load_suite(path: Path | str) -> Suite:
    """Read a suite file and check everything that can be known without data or a network.

    Modules named by `imports` and installed entry points are imported first.

    Raises:
        SuiteError: One finding for each thing that is wrong, with file and line.
    """
    suite = read_suite(Path(path))
    import_extensions(suite)
    findings = Findings()
    for loc, kind, spec in _choices(suite):
        _check_choice(suite, findings, (loc, kind, spec))
    for scale in suite.scales:
        for _, uses in suite.blocks(scale):
            for use in uses:
                try:
                    suite.recipes.resolve(use)
                except SuiteError as error:
                    findings.add_error(error)
    _check_tables(suite, findings)
    for loc, rule in _filters(suite):
        for axis in rule:
            problem = unknown_axis(suite, axis, (*AXES, "seed"))
            findings.add_if(suite.document, (*loc, axis), problem)
    findings.stop()
    for loc, rule in _filters(suite):
        _check_values(suite, findings, loc, rule)
    for scale in suite.scales:
        _check_labels(suite, scale, findings)
        _check_emptiness(suite, scale, findings)
    findings.stop()
    return suite


def import_extensions(suite: Suite) -> None:
    """Import the modules of a suite's `imports` and all installed entry points.

    Raises:
        SuiteError: If a module cannot be imported, or registers a name that kbench has.
    """
    for group in ENTRY_POINTS:
        for point in entry_points(group=group):
            point.load()
    findings = Findings()
    for index, module in enumerate(suite.file.imports):
        try:
            importlib.import_module(module)
        except (ImportError, ValueError) as error:
            text = f"module {module!r} cannot be imported: {error}"
            findings.add(suite.document, ("imports", index), text)
    for text in find_clashes():
        findings.add(suite.document, ("imports",), text)
    findings.stop()


def _choices(suite: Suite) -> Iterator[tuple[Loc, str, ChoiceSpec]]:
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


def _check_choice(suite: Suite, findings: Findings, choice: tuple[Loc, str, ChoiceSpec]) -> None:
    loc, kind, spec = choice
    entries = find_entries(kind)
    if spec.name not in entries:
        findings.add(suite.document, (*loc, "name"), unknown(kind, spec.name, entries))
        return
    options = entries[spec.name].options
    for key, values in spec.options.items():
        if key not in options:
            text = unknown_option(kind, spec.name, key, options)
            findings.add(suite.document, (*loc, key), text)
            continue
        for index, value in enumerate(values):
            try:
                options[key].accept(value)
            except ValueError as error:
                findings.add(
                    suite.document, (*loc, key, index), f"{kind} {spec.name}.{key}: {error}"
                )


def _check_tables(suite: Suite, findings: Findings) -> None:
    """Check the axes, metrics and published numbers of every table."""
    for i, table in enumerate(suite.file.tables):
        for key, axes in (("rows", table.rows), ("columns", table.columns)):
            for j, axis in enumerate(axes):
                findings.add_if(suite.document, ("tables", i, key, j), unknown_axis(suite, axis))
        for j, name in enumerate(table.metric):
            if name not in METRICS:
                text = unknown("metric", name, METRICS)
                findings.add(suite.document, ("tables", i, "metric", j), text)
        if table.published and not suite.file.paper:
            text = "published needs the suite's key 'paper', the file of published numbers"
            findings.add(suite.document, ("tables", i, "published"), text)


def _filters(suite: Suite) -> Iterator[tuple[Loc, Filter]]:
    """Yield every filter of the file, of tables and exclusions, with its place."""
    file = suite.file
    yield from ((("tables", i, "where"), table.where) for i, table in enumerate(file.tables))
    yield from ((("exclude", i), rule) for i, rule in enumerate(file.exclude))
    for scale, override in file.scales.items():
        for i, rule in enumerate(override.exclude):
            yield ("scales", scale, "exclude", i), rule


def _check_values(suite: Suite, findings: Findings, loc: Loc, rule: Filter) -> None:
    """Refuse values of a filter that no cell has at any scale."""
    for axis, values in rule.items():
        kind = axis.partition(".")[0]
        points = (cell for scale in suite.scales for cell in suite.points(scale))
        different = {id(getattr(cell, kind)): cell for cell in points}
        known = {value for cell in different.values() for value in axis_values(cell, axis)}
        for i, value in enumerate(values):
            if value not in known:
                text = unknown(axis, as_text(value), map(as_text, known))
                findings.add(suite.document, (*loc, axis, i), text)


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
    names = {spec.name for _, found, spec in _choices(suite) if found == kind}
    entries = find_entries(kind)
    known = [entries[name].options for name in names if name in entries]
    return sorted({f"{kind}.{option}" for options in known for option in options})


def _recipe_axes() -> list[str]:
    """Return the axes of a recipe's fields, those of the augmentation with both names."""
    plain = [field.name for field in fields(Recipe) if field.name != "augmentation"]
    inner = [f"augmentation.{field.name}" for field in fields(Augmentation)]
    return [f"recipe.{name}" for name in (*plain, *inner)]


def _check_labels(suite: Suite, scale: str, findings: Findings) -> None:
    """Refuse one label for two things."""
    meaning: dict[tuple[str, str], object] = {}
    for loc, block in suite.grid(scale):
        specs = [
            ((*loc, kind, i), kind, spec)
            for kind in REGISTERED
            for i, spec in enumerate(getattr(block, kind))
        ]
        for place, kind, spec in specs:
            for choice in expand(kind, spec):
                known = meaning.setdefault((kind, choice.label), choice.definition)
                if known != choice.definition:
                    text = f"label {choice.label!r} names two {kind}s"
                    findings.add(suite.document, place, text)


def _check_emptiness(suite: Suite, scale: str, findings: Findings) -> None:
    """Refuse a scale of which everything is excluded."""
    rules = suite.exclusions(scale)
    if all(any(matches(cell, rule) for rule in rules) for cell in suite.points(scale)):
        text = f"scale {scale!r} has an empty grid: everything is excluded"
        own = suite.scale(scale).exclude
        findings.add(suite.document, ("scales", scale, "exclude") if own else ("exclude",), text)
