"""What is wrong in a YAML file, each finding with its line, all of them at once."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kbench.errors import SuiteError, guess
from kbench.yaml_file import Document

Loc = tuple[str | int, ...]
FINDING = re.compile(r"(?P<path>.*?):(?P<line>\d+): (?P<text>.*)", re.DOTALL)
KEY = "[key]"  # pydantic's mark of an error in a key instead of its value
KINDS = {
    "bool_type": "true or false",
    "dataclass_type": "a mapping",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "an integer",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
UNION_TAGS = {"bool", "int", "float", "str"}


class Findings:
    """Findings of several files; raised together, in the order of the files and lines."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str], None] = {}

    def add(self, document: Document, loc: Sequence[str | int], text: str) -> None:
        """Note what is wrong at a place of a file; parts of `loc` not in the file are skipped."""
        self._found[str(document.path), document.key_line(loc), text] = None

    def add_if(self, document: Document, loc: Sequence[str | int], text: str) -> None:
        """Note what is wrong at a place of a file, unless the text is empty."""
        if text:
            self.add(document, loc, text)

    def add_error(self, error: SuiteError) -> None:
        """Note the findings of an error that already name their places."""
        for finding in error.findings:
            found = FINDING.fullmatch(finding)
            if found is None:
                message = f"finding (={finding!r}) must be PATH:LINE: TEXT"
                raise ValueError(message)
            self._found[found["path"], int(found["line"]), found["text"]] = None

    def stop(self) -> None:
        """Raise what was found.

        Raises:
            SuiteError: If anything was.
        """
        if self._found:
            raise SuiteError(f"{path}:{line}: {text}" for path, line, text in sorted(self._found))


def explain(error: ValidationError, known_keys: Callable[[Loc], Iterable[str]]) -> dict[Loc, str]:
    """Return a line of text for every place that a pydantic error names.

    Args:
        error: What pydantic raised.
        known_keys: Gives the keys that a mapping at a location may have.
    """
    texts: dict[Loc, str] = {}
    for item in error.errors():
        loc = item["loc"]
        is_union = bool(loc) and loc[-1] in UNION_TAGS
        texts[loc[:-1] if is_union else loc] = _explain(item, known_keys)
    return texts


def _explain(item: ErrorDetails, known_keys: Callable[[Loc], Iterable[str]]) -> str:
    loc, kind = item["loc"], item["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return unknown_key(str(loc[-1]), known_keys(loc[:-1]))
    if kind in ("missing", "missing_argument"):
        return f"missing key {loc[-1]!r}"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    names = [part for part in loc if isinstance(part, str) and part not in UNION_TAGS]
    name = f"{names[-1]}: " if names and names[-1] != KEY else ""
    if kind == "too_short":
        return f"{name}{item['msg']}"
    return f"{name}{_expectation(item)}, got {_short(item['input'])}"


def _expectation(item: ErrorDetails) -> str:
    if item["loc"] and item["loc"][-1] in UNION_TAGS:
        return "expected true, false, null, a number or text"
    if item["type"] in KINDS:
        return f"expected {KINDS[item['type']]}"
    text = item["msg"].replace("Input should be", "expected")
    return f"{text[:1].lower()}{text[1:]}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message for a key that a mapping does not have."""
    known = list(known)
    return f"unknown key {key!r}{guess(key, known)}; known: {', '.join(known)}"


def _short(value: Any) -> str:  # noqa: ANN401 - whatever YAML held
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
