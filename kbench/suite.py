"""Suites: a file is read, its names and combinations are checked, all findings at once."""

import importlib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

from kbench.catalogue import find_entries
from kbench.errors import SuiteError, guess, unknown
from kbench.expansion import AXES, REGISTERED, Suite, read_suite
from kbench.findings import Findings, Loc
from kbench.metrics import METRICS
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
    findings.stop()
    for scale in suite.scales:
        for _, uses in suite.blocks(scale):
            for use in uses:
                try:
                    suite.recipes.resolve(use)
                except SuiteError as error:
                    findings.add_error(error)
    _check_tables(suite, findings)
    _check_exclusions(suite, findings)
    findings.stop()
    for scale in suite.scales:
        _check_labels(suite, scale, findings)
    findings.stop()
    return suite


def import_extensions(suite: Suite) -> None:
    """Import the modules of a suite's `imports` and all installed entry points.

    Raises:
        SuiteError: If a module cannot be imported.
    """
    for group in ENTRY_POINTS:
        for point in entry_points(group=group):
            point.load()
    findings = Findings()
    for index, module in enumerate(suite.file.imports):
        try:
            importlib.import_module(module)
        except ImportError as error:
            text = f"module {module!r} cannot be imported: {error}"
            findings.add(suite.document, ("imports", index), text)
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
        places: list[tuple[Loc, str]] = [(("rows", j), axis) for j, axis in enumerate(table.rows)]
        places += [(("columns", j), axis) for j, axis in enumerate(table.columns)]
        places += [(("where", axis), axis) for axis in table.where]
        for loc, axis in places:
            _check_axis(suite, findings, ("tables", i, *loc), axis)
        for j, name in enumerate(table.metric):
            if name not in METRICS:
                text = unknown("metric", name, METRICS)
                findings.add(suite.document, ("tables", i, "metric", j), text)
        if table.published and not suite.file.paper:
            text = "published needs the suite's key 'paper', the file of published numbers"
            findings.add(suite.document, ("tables", i, "published"), text)


def _check_exclusions(suite: Suite, findings: Findings) -> None:
    """Check the axes that exclusions name."""
    rules: list[tuple[Loc, Filter]] = [
        (("exclude", i), rule) for i, rule in enumerate(suite.file.exclude)
    ]
    for scale, override in suite.file.scales.items():
        rules += [
            (("scales", scale, "exclude", i), rule) for i, rule in enumerate(override.exclude)
        ]
    for loc, rule in rules:
        for axis in rule:
            _check_axis(suite, findings, (*loc, axis), axis, (*AXES, "seed"))


def _check_axis(
    suite: Suite, findings: Findings, loc: Loc, axis: str, allowed: Iterable[str] = AXES
) -> None:
    kind = axis.partition(".")[0]
    if kind not in allowed:
        text = (
            f"unknown axis {axis!r}{guess(axis, allowed)}; known: {', '.join(allowed)}, KIND.OPTION"
        )
        findings.add(suite.document, loc, text)


def _check_labels(suite: Suite, scale: str, findings: Findings) -> None:
    """Refuse one label for two things, and an empty grid."""
    cells = list(suite.points(scale))
    for kind in REGISTERED:
        meaning: dict[str, object] = {}
        for choice in {id(c): c for c in (getattr(cell, kind) for cell in cells)}.values():
            if meaning.setdefault(choice.label, choice.definition) != choice.definition:
                text = f"scale {scale!r}: label {choice.label!r} names two {kind}s"
                findings.add(suite.document, ("grid",), text)
    suite.cells(scale)
