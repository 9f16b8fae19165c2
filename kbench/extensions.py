"""Code of others: modules that suites import, and packages that announce entry points.

What such code raises is told in a line with its place, not as a traceback through kbench.
"""

import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from kbench.errors import ExtensionError

# What code of others can raise; `KeyboardInterrupt` and the like still stop the run.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
SELF_SPEAKING = (ImportError, ValueError)
# Folders whose lines of a traceback say nothing about the code of others.
PASSED_THROUGH = {"importlib", "torch"}


def see_working_folder() -> None:
    """Let modules of the working directory be imported, where there is no other of their name."""
    if "" not in sys.path:
        sys.path.append("")


def import_module(name: str) -> ModuleType:
    """Import a module of a user's own.

    Raises:
        ExtensionError: If it is not there or raises.
    """
    try:
        return importlib.import_module(name)
    except FAULTS as error:
        message = f"module {name!r} cannot be imported: {describe_fault(error)}"
        if isinstance(error, ModuleNotFoundError) and name.startswith(error.name or name):
            message += "; it is looked for in installed packages, PYTHONPATH and the current folder"
        raise ExtensionError(message) from error


def load_installed(groups: Iterable[str]) -> None:
    """Load what installed packages announce under groups of entry points.

    Raises:
        ExtensionError: If one cannot be loaded.
    """
    from importlib.metadata import entry_points

    for group in groups:
        for point in entry_points(group=group):
            try:
                point.load()
            except FAULTS as error:
                message = (
                    f"entry point {point.name} = {point.value} of {group} cannot be loaded: "
                    f"{describe_fault(error)}"
                )
                raise ExtensionError(message) from error


def describe_fault(error: BaseException) -> str:
    """Return what an exception says, in a line, and the last place in the code of others."""
    lines = (line.strip() for line in str(error).splitlines())
    text = next(filter(None, lines), "")
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"
    if not isinstance(error, SELF_SPEAKING) or not text:
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    frames = traceback.extract_tb(error.__traceback__)
    places = [frame for frame in frames if not _is_passed_through(Path(frame.filename))]
    return f"{text} ({places[-1].filename}, line {places[-1].lineno})" if places else text


def _is_passed_through(path: Path) -> bool:
    is_generated = path.name.startswith("<")
    is_own = Path(__file__).parent in path.parents
    return is_generated or is_own or not PASSED_THROUGH.isdisjoint(path.parts)
