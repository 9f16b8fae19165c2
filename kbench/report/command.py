"""The command `report`: from suites and records to files or the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click

from kbench.errors import RecordError, SuiteError
from kbench.expansion import Suite
from kbench.files import replace_text
from kbench.report.coverage_command import LISTS, find_papers_coverage
from kbench.report.render import SUFFIXES, files, render
from kbench.report.rows import FORMATS, render_rows
from kbench.report.suites import find_suites, suite_tables
from kbench.report.table import Table
from kbench.suite import load_suite

EXIT_OUTSIDE_TOLERANCE = 3


@dataclass(frozen=True)
class ReportOptions:
    """Options of `kbench report`; see its help.

    Attributes:
        formats: Names of `SUFFIXES`; none for Markdown.
        standalone: Whether LaTeX is a document that compiles.
        output: Folder to write files to; None for the terminal.
        check: Whether a verdict `off` sets the exit status.
        summary: Whether the counts of every paper are printed instead of tables.
        published: Whether all published numbers are listed instead of tables.
    """

    formats: tuple[str, ...] = ()
    standalone: bool = False
    output: Path | None = None
    check: bool = False
    summary: bool = False
    published: bool = False


def report_suites(paths: Sequence[Path], scale: str, results: Path, options: ReportOptions) -> int:
    """Print or write the tables of suites and return the exit status.

    Without suites, all of the folder `suites` that have the scale.

    Raises:
        SuiteError: If a suite or its published numbers are wrong.
        RecordError: If a record is damaged, or the output folder cannot be written.
    """
    _refuse_options(options)
    suites = list(map(load_suite, paths or find_suites()))
    if options.summary or options.published:
        return _report_coverage(suites, results, options, is_all=not paths)
    if not paths:
        suites = [suite for suite in suites if scale in suite.scales]
    found = (suite_tables(suite, scale, results) for suite in suites)
    tables = list(chain.from_iterable(found))
    for name in options.formats or FORMATS[:1]:
        _print_or_write(name, tables, options)
    entries = chain.from_iterable(table.all_entries for table in tables)
    return _status((entry.verdict for entry in entries), options)


def _refuse_options(options: ReportOptions) -> None:
    """Refuse options that would do nothing."""
    findings = []
    if options.standalone and "latex" not in options.formats:
        findings.append("--standalone is for --latex only")
    if options.summary and options.published:
        findings.append("--summary and --published: give one of them")
    if (options.summary or options.published) and not set(options.formats) <= set(FORMATS):
        findings.append(f"--summary and --published are written as {', '.join(FORMATS)} only")
    if findings:
        raise SuiteError(findings)


def _print_or_write(name: str, tables: Sequence[Table], options: ReportOptions) -> None:
    if options.output is None:
        click.echo(render(name, tables, standalone=options.standalone))
    else:
        _write(options.output, files(name, tables))


def _report_coverage(
    suites: Sequence[Suite], results: Path, options: ReportOptions, *, is_all: bool
) -> int:
    """Print what becomes of the published numbers and return the exit status."""
    formats = options.formats or FORMATS[:1]
    if not any(suite.file.paper for suite in suites):
        places = ", ".join(str(suite.path) for suite in suites)
        message = f"{places}: no key 'paper', so no published numbers"
        raise SuiteError([message])
    found = find_papers_coverage(suites, results, is_all=is_all)
    title = "published" if options.published else "summary"
    for name in formats:
        text = render_rows(name, LISTS[title](found))
        if options.output is None:
            click.echo(text)
        else:
            _write(options.output, {f"{title}.{SUFFIXES[name]}": text})
    return _status((item.verdict for items in found.values() for item in items), options)


def _status(verdicts: Iterable[str | None], options: ReportOptions) -> int:
    return EXIT_OUTSIDE_TOLERANCE if options.check and "off" in verdicts else 0


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by their names."""
    for name, text in texts.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_text(path, text)
        except OSError as error:
            message = f"{path}: cannot be written: {error.strerror}"
            raise RecordError(message) from error
        click.echo(str(path), err=True)
