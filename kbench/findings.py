"""What is wrong in a YAML file, each finding with its line, all of them at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from kbench.errors import SuiteError, guess
from kbench.yaml_file import Document

Loc = tuple[str | int, ...]
UNION_TAGS = {"bool", "int", "float", "str"}


class Findings:
    """Findings of several files; raised together, in the order of the files and lines."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str], None] = {}

    def add(self, document: Document, loc: Sequence[str | int], text: str) -> None:
        """Note what is wrong at a place of a file."""
        self._found[str(document.path), document.line(place(document, loc)), text] = None

    def add_error(self, error: SuiteError) -> None:
        """Note the findings of an error that already name their places."""
        for finding in error.findings:
            path, line, text = finding.split(":", 2)
            self._found[path, int(line), text.strip()] = None

    def stop(self) -> None:
        """Raise what was found.

        Raises:
            SuiteError: If anything was.
        """
        if self._found:
            raise SuiteError(f"{path}:{line}: {text}" for path, line, text in sorted(self._found))


def place(document: Document, loc: Iterable[str | int]) -> Loc:
    """Return the parts of a location that stand in the file.

    Expanded shorthand adds parts that do not, such as the index of a list of one.
    """
    found: Loc = ()
    for part in loc:
        if (*found, part) in document.lines:
            found = (*found, part)
    return found


def explain(error: ValidationError, known_keys: Callable[[Loc], Iterable[str]]) -> dict[Loc, str]:
    """Return a line of text for every place that a pydantic error names.

    Args:
        error: What pydantic raised.
        known_keys: Gives the keys that a mapping at a location may have.
    """
    texts: dict[Loc, str] = {}
    for item in error.errors():
        loc, kind, got = item["loc"], item["type"], item["input"]
        if kind in ("extra_forbidden", "unexpected_keyword_argument"):
            keys = list(known_keys(loc[:-1]))
            texts[loc] = (
                f"unknown key {loc[-1]!r}{guess(str(loc[-1]), keys)}; known: {', '.join(keys)}"
            )
        elif kind in ("missing", "missing_argument"):
            texts[loc] = f"missing key {loc[-1]!r}"
        elif loc and loc[-1] in UNION_TAGS:
            texts[loc[:-1]] = f"expected a boolean, a number or text, got {_short(got)}"
        elif kind == "value_error":
            texts[loc] = str(item["ctx"]["error"])
        else:
            text = item["msg"].removeprefix("Input should be ")
            name = f"{loc[-1]}: " if loc and loc[-1] != "[key]" else ""
            texts[loc] = f"{name}expected {text[:1].lower()}{text[1:]}, got {_short(got)}"
    return texts


def _short(value: Any) -> str:  # noqa: ANN401 - whatever YAML held
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
