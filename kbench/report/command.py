"""The command `report`: from suites and records to files or the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from kbench.errors import RecordError, SuiteError
from kbench.expansion import Suite
from kbench.files import replace_text
from kbench.report.build import build_tables
from kbench.report.published import Published, read_published
from kbench.report.render import SUFFIXES, render
from kbench.report.table import Table
from kbench.state import find_states
from kbench.suite import load_suite

EXIT_OUTSIDE_TOLERANCE = 3
PUBLISHED_LEVELS = 4


@dataclass(frozen=True)
class ReportOptions:
    """Options of `kbench report`; see its help.

    Attributes:
        formats: Names of `SUFFIXES`; none for Markdown.
        standalone: Whether LaTeX is a document that compiles.
        output: Folder to write files to; None for the terminal.
        check: Whether a verdict `off` sets the exit status.
    """

    formats: tuple[str, ...] = ()
    standalone: bool = False
    output: Path | None = None
    check: bool = False


def report_suites(paths: Sequence[Path], scale: str, results: Path, options: ReportOptions) -> int:
    """Print or write the tables of suites and return the exit status.

    Raises:
        SuiteError: If a suite or its published numbers are wrong.
        RecordError: If a record is damaged, or the output folder cannot be written.
    """
    tables = [
        table for path in paths or find_suites() for table in suite_tables(path, scale, results)
    ]
    for name in options.formats or ("markdown",):
        if options.output is None:
            click.echo(render(name, tables, standalone=options.standalone))
        else:
            _write(options.output, name, tables, standalone=options.standalone)
    verdicts = [e.verdict for table in tables for row in table.entries for e in row]
    return EXIT_OUTSIDE_TOLERANCE if options.check and "off" in verdicts else 0


def find_suites() -> list[Path]:
    """Return the suites of the folder `suites`.

    Raises:
        SuiteError: If there are none.
    """
    paths = [
        path
        for path in sorted(Path("suites").rglob("*.yaml"))
        if not {"recipes", "published"} & set(path.parts)
    ]
    if not paths:
        message = "suites:1: no suite in the folder 'suites'; name the suite files"
        raise SuiteError([message])
    return paths


def suite_tables(path: Path, scale: str, results: Path) -> list[Table]:
    """Return the tables of one suite; none if it has no such scale.

    Raises:
        SuiteError: If the suite or its published numbers are wrong.
        RecordError: If a record is damaged.
    """
    suite = load_suite(path)
    cells = suite.cells(scale)
    states = find_states(results, cells)
    stale = {cell.id for cell, state in zip(cells, states, strict=True) if state.kind == "stale"}
    return build_tables(suite.file, cells, results, find_published(suite), stale)


def find_published(suite: Suite) -> Published | None:
    """Return the published numbers of a suite's paper; None if it names none.

    Raises:
        SuiteError: If the file is not there or wrong.
    """
    path = published_path(suite)
    return None if path is None else read_published(path)


def published_path(suite: Suite) -> Path | None:
    """Return the file of published numbers of a suite's paper; None if it names none.

    Raises:
        SuiteError: If it is not there.
    """
    if suite.file.paper is None:
        return None
    folder = suite.path.resolve().parent
    for parent in (folder, *folder.parents)[:PUBLISHED_LEVELS]:
        path = parent / "published" / f"{suite.file.paper}.yaml"
        if path.exists():
            return path
    line = suite.document.line(("paper",))
    message = f"{suite.path}:{line}: no file 'published/{suite.file.paper}.yaml' here or above"
    raise SuiteError([message])


def _write(folder: Path, name: str, tables: Sequence[Table], *, standalone: bool) -> None:
    """Write one file for each suite."""
    for suite in dict.fromkeys(table.suite for table in tables):
        path = folder / f"{suite}.{SUFFIXES[name]}"
        own = [table for table in tables if table.suite == suite]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_text(path, render(name, own, standalone=standalone))
        except OSError as error:
            message = f"{path}: cannot be written: {error.strerror}"
            raise RecordError(message) from error
        click.echo(str(path), err=True)
