"""Suites for a report: which there are, their tables, and their paper's numbers."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from kbench.errors import SuiteError, UnknownNameError
from kbench.expansion import Suite
from kbench.findings import Findings
from kbench.listing import is_suite
from kbench.report.build import build_table
from kbench.report.invalid import mark_invalid
from kbench.report.outcome import Outcome, find_epochs, read_outcomes
from kbench.report.published_files import find_published
from kbench.report.table import Table

KEYS = re.compile(r"table '[^']*': ([a-z_]+(?:\.[a-z_]+)*)\b")


def find_suites() -> list[Path]:
    """Return the suites of the folder `suites`.

    Raises:
        SuiteError: If there are none.
    """
    paths = list(filter(is_suite, sorted(Path("suites").rglob("*.yaml"))))
    if not paths:
        message = "suites:1: no suite in the folder 'suites'; name the suite files"
        raise SuiteError([message])
    return paths


def suite_tables(suite: Suite, scale: str, results: Path) -> list[Table]:
    """Return the tables of one suite at one scale.

    Raises:
        SuiteError: If the suite has no such scale, or its published numbers are wrong.
        RecordError: If a record is damaged.
    """
    outcomes = read_outcomes(suite.cells(scale), results, find_epochs(suite.file))
    return _build(suite, mark_invalid(suite, outcomes))


def check_tables(suite: Suite, scales: Iterable[str]) -> None:
    """Build the tables of some scales as if nothing had run.

    Args:
        suite: The suite.
        scales: Its scales; keys that no row or column has are found at `full`.

    Raises:
        SuiteError: If a table names what the suite or its paper does not have; one finding for each
            table.
    """
    for scale in scales:
        _build(suite, [Outcome(cell, "missing", "", {}) for cell in suite.cells(scale)])


def _build(suite: Suite, outcomes: Sequence[Outcome]) -> list[Table]:
    """Return the tables of a suite; what is wrong gets its file and line."""
    findings = Findings()
    tables = []
    published = find_published(suite)
    for index in range(len(suite.file.tables)):
        try:
            tables.append(build_table(suite.file, index, outcomes, published))
        except (SuiteError, UnknownNameError) as error:
            for text in str(error).splitlines():
                findings.add(suite.document, ("tables", index, *_keys(text)), text)
    findings.stop()
    return tables


def _keys(text: str) -> list[str]:
    """Return the keys of a table that a finding such as `table 'x': order.rows: ...` is about."""
    found = KEYS.search(text)
    return found[1].split(".") if found else []


def begun_scales(suite: Suite, results: Path) -> Sequence[str]:
    """Return the full scale and the others that have results."""
    folder = results / suite.file.suite
    return [name for name in suite.scales if name == "full" or (folder / name).is_dir()]
