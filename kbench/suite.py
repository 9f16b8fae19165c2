"""Suites: a file is read, its names and combinations are checked, all findings at once."""

from collections.abc import Iterator
from pathlib import Path

from kbench.catalogue import find_clashes, find_entries
from kbench.cell import as_text
from kbench.errors import ExtensionError, SuiteError, unknown, unknown_option
from kbench.expansion import (
    AXES,
    REGISTERED,
    Suite,
    axis_values,
    expand,
    matches,
    read_suite,
)
from kbench.extensions import import_module, load_installed
from kbench.file_model import Filter
from kbench.findings import Findings, Loc
from kbench.suite_axes import check_tables, find_choices, unknown_axis
from kbench.suite_file import ChoiceSpec

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
    for loc, kind, spec in find_choices(suite):
        _check_choice(suite, findings, (loc, kind, spec))
    for scale in suite.scales:
        for _, uses in suite.blocks(scale):
            for use in uses:
                try:
                    suite.recipes.resolve(use)
                except SuiteError as error:
                    findings.add_error(error)
    check_tables(suite, findings)
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
        ExtensionError: If an entry point cannot be loaded.
    """
    load_installed(ENTRY_POINTS)
    findings = Findings()
    for index, module in enumerate(suite.file.imports):
        try:
            import_module(module)
        except ExtensionError as error:
            findings.add(suite.document, ("imports", index), str(error))
    for text in find_clashes():
        findings.add(suite.document, ("imports",), text)
    findings.stop()


def _check_choice(suite: Suite, findings: Findings, choice: tuple[Loc, str, ChoiceSpec]) -> None:
    loc, kind, spec = choice
    entries = find_entries(kind)
    if spec.name not in entries:
        findings.add(suite.document, (*loc, "name"), unknown(kind, spec.name, entries))
        return
    task = suite.file.task
    if kind == "dataset" and entries[spec.name].task not in ("", task):
        text = f"dataset {spec.name!r} is for task {entries[spec.name].task!r}, not {task!r}"
        findings.add(suite.document, (*loc, "name"), text)
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
    if suite.file.reason is None and all(
        any(matches(cell, rule) for rule in rules) for cell in suite.points(scale)
    ):
        text = f"scale {scale!r} has an empty grid: everything is excluded"
        own = suite.scale(scale).exclude
        findings.add(suite.document, ("scales", scale, "exclude") if own else ("exclude",), text)
