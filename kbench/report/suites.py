"""Suites for a report: which there are, their tables, and their paper's numbers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from kbench.errors import SuiteError
from kbench.expansion import Suite
from kbench.listing import is_suite
from kbench.report.build import build_tables
from kbench.report.invalid import mark_invalid
from kbench.report.outcome import find_epochs, read_outcomes
from kbench.report.published import Published, read_published
from kbench.report.table import Table

PUBLISHED = "published"
PUBLISHED_LEVELS = 4


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
    return build_tables(suite.file, mark_invalid(suite, outcomes), find_published(suite))


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
        path = parent / PUBLISHED / f"{suite.file.paper}.yaml"
        if path.exists():
            return path
    line = suite.document.line(("paper",))
    message = f"{suite.path}:{line}: no file 'published/{suite.file.paper}.yaml' here or above"
    raise SuiteError([message])


def published_files(suites: Iterable[Suite], *, whole_folders: bool) -> list[Path]:
    """Return the files of published numbers of suites.

    Args:
        suites: The suites.
        whole_folders: Whether papers that lie beside those of the suites belong to it as well.

    Raises:
        SuiteError: If one is not there.
    """
    own = {path for suite in suites if (path := published_path(suite)) is not None}
    if whole_folders:
        own |= {path for parent in {path.parent for path in own} for path in parent.glob("*.yaml")}
    return sorted(own)


def begun_scales(suite: Suite, results: Path) -> Sequence[str]:
    """Return the full scale and the others that have results."""
    folder = results / suite.file.suite
    return [name for name in suite.scales if name == "full" or (folder / name).is_dir()]
