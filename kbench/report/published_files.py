"""Where the published numbers of suites are: `published/<paper>.yaml` beside or above them."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kbench.errors import SuiteError
from kbench.expansion import Suite
from kbench.recipe_file import search_folders
from kbench.report.published import Published, read_published

PUBLISHED = "published"


def find_published(suite: Suite) -> Published | None:
    """Return the published numbers of a suite's paper; None if it names none.

    Raises:
        SuiteError: If the file is not there or wrong.
    """
    path = published_path(suite)
    return None if path is None else read_once((path, path.stat().st_mtime_ns))


@cache
def read_once(file: tuple[Path, int]) -> Published:
    """Return the published numbers of a file, which many suites have in common.

    Args:
        file: Its path, and when it was changed last.
    """
    return read_published(file[0])


def published_path(suite: Suite) -> Path | None:
    """Return the file of published numbers of a suite's paper; None if it names none.

    Raises:
        SuiteError: If it is not there.
    """
    if suite.file.paper is None:
        return None
    for parent in search_folders(suite.path):
        path = parent / PUBLISHED / f"{suite.file.paper}.yaml"
        if path.exists():
            return path
    line = suite.document.line(("paper",))
    message = f"{suite.path}:{line}: no file 'published/{suite.file.paper}.yaml' here or above"
    message += ", nor in 'suites'"
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
