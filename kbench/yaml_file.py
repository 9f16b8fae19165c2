"""Strict YAML: what is written is what is read, and every value has one place and one line.

PyYAML reads YAML 1.1, where `no` is false, `10:30` is 630 and `5e-5` is text. Here only `null`,
`true`, `false` and numbers as JSON writes them (and `+5`, `.5`, `5.`) are anything but text. Keys
are text. Anchors, merge keys, doubled keys, values left out and tags beyond JSON's are refused.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from kbench.errors import SuiteError

Loc = tuple[str | int, ...]

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 64
MAX_FINDINGS = 100

TAG_PREFIX = "tag:yaml.org,2002:"
SURROGATE = re.compile(r"[\ud800-\udfff]")
# Kind: first characters, pattern, conversion; in this order. An integer too long for the pattern
# is beyond float64 too: the float pattern makes it infinity.
SCALARS: dict[str, tuple[str, re.Pattern[str], Callable[[str], Any]]] = {
    "null": ("n", re.compile(r"null\Z"), lambda _: None),
    "bool": ("tf", re.compile(r"(?:true|false)\Z"), lambda text: text == "true"),
    "int": ("-+0123456789", re.compile(r"[-+]?(?:0|[1-9][0-9]{0,400})\Z"), int),
    "float": (
        "-+.0123456789",
        re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"),
        float,
    ),
}
KINDS: dict[str, type[NodeEvent]] = {
    "map": MappingStartEvent,
    "seq": SequenceStartEvent,
    "str": ScalarEvent,
    **dict.fromkeys(SCALARS, ScalarEvent),
}
RESOLVERS = {
    first: [(TAG_PREFIX + kind, rule[1]) for kind, rule in SCALARS.items() if first in rule[0]]
    for first in "ntf-+.0123456789"
}


@dataclass(frozen=True)
class Document:
    """What a YAML file says, in plain Python, and where.

    Attributes:
        path: The file, as the caller gave it.
        value: Its content: dict, list, str, int, float, bool and None.
        lines: Line of each value, from 1, by the keys and indices that lead to it.
        key_lines: Line of the key of each value of a mapping.
        texts: Numbers and other single values as they are written: `0.70` has two decimals.
    """

    path: Path
    value: Any
    lines: dict[Loc, int]
    key_lines: dict[Loc, int]
    texts: dict[Loc, str] = field(default_factory=dict)

    def line(self, loc: Sequence[str | int]) -> int:
        """Return the line where a value begins; parts of `loc` not in the file are skipped."""
        return self.lines[self._written(loc)]

    def key_line(self, loc: Sequence[str | int]) -> int:
        """Return the line of a value's key; of the value, where it is an item or the whole file."""
        written = self._written(loc)
        return self.key_lines.get(written, self.lines[written])

    def where(self, loc: Sequence[str | int]) -> str:
        """Return `path:line` of a value."""
        return f"{self.path}:{self.line(loc)}"

    def _written(self, loc: Sequence[str | int]) -> Loc:
        written: Loc = ()
        for part in loc:
            deeper = (*written, part)
            if deeper in self.lines:
                written = deeper
        return written


class StrictLoader(yaml.SafeLoader):
    """Reader of one document that collects what it refuses.

    Attributes:
        findings: Line and text of what is refused, in the order of the file.
        lines: As of `Document`.
        key_lines: As of `Document`.
        texts: As of `Document`.
    """

    yaml_implicit_resolvers = RESOLVERS

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.findings: list[tuple[int, str]] = []
        self.lines: dict[Loc, int] = {}
        self.key_lines: dict[Loc, int] = {}
        self.texts: dict[Loc, str] = {}

    def get_single_data(self) -> Any:  # noqa: ANN401 - any YAML value
        """Return the value of the only document; it is of use only if there are no findings.

        Raises:
            MarkedYAMLError: If the text is not YAML, is nested deeper than `MAX_DEPTH` or has more
                than `MAX_FINDINGS` findings.
        """
        self._next()
        if self.check_event(StreamEndEvent):
            self.findings.append((1, "file is empty"))
            return None
        self._next()
        value = self._value(self._next(), ())
        self._next()
        if not self.check_event(StreamEndEvent):
            self._refuse(self._next(), "a second document; a file holds one")
        return value

    def _next(self) -> Any:  # noqa: ANN401 - each caller knows which events can come
        read: Callable[[], Any] = self.get_event
        return read()

    def _refuse(self, event: Event, text: str) -> None:
        if len(self.findings) == MAX_FINDINGS:
            _stop(event, f"more than {MAX_FINDINGS} findings; the rest is not read")
        self.findings.append((_line(event.start_mark), text))

    def _value(self, event: NodeEvent, loc: Loc) -> Any:  # noqa: ANN401 - any YAML value
        self.lines[loc] = _line(event.start_mark)
        if len(loc) > MAX_DEPTH:
            _stop(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, MappingStartEvent):
            self._kind(event)
            return self._mapping(loc)
        if isinstance(event, SequenceStartEvent):
            self._kind(event)
            return self._sequence(loc)
        if isinstance(event, ScalarEvent):
            self.texts[loc] = event.value
        return self._scalar(event)

    def _mapping(self, loc: Loc) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._key(event, loc)
            inner = (*loc, key)
            first = self.key_lines.setdefault(inner, _line(event.start_mark))
            if key in mapping:
                self._refuse(event, f"key {key!r} is given twice; first in line {first}")
            mapping[key] = self._value(self._next(), inner)
        return mapping

    def _key(self, event: NodeEvent, loc: Loc) -> str:
        if not isinstance(event, ScalarEvent | AliasEvent):
            self._refuse(event, "a key that is a list or a mapping; keys are text")
            self._value(event, (*loc, 0))
            return ""
        if isinstance(event, ScalarEvent) and event.implicit[0] and event.value == "<<":
            self._refuse(event, "merge key '<<'; a value is written where it is used")
            return event.value
        num_findings = len(self.findings)
        key = self._scalar(event)
        if isinstance(key, str):
            return key
        if isinstance(event, ScalarEvent) and len(self.findings) == num_findings:
            self._refuse(event, f"key {event.value} is not text; write {event.value!r}")
        return str(key)

    def _sequence(self, loc: Loc) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._value(event, (*loc, len(items))))
        return items

    def _scalar(self, event: NodeEvent) -> Any:  # noqa: ANN401 - any YAML scalar
        if not isinstance(event, ScalarEvent):
            self._refuse(event, f"alias '*{event.anchor}'; a value is written where it is used")
            return None
        text = event.value
        kind = self._kind(event)
        if not text and kind is None and event.implicit[0]:
            self._refuse(event, "nothing is written here; write null or ''")
            return None
        if kind is None:
            resolve: Callable[[type, str, tuple[bool, bool]], str] = self.resolve
            kind = resolve(yaml.ScalarNode, text, event.implicit).removeprefix(TAG_PREFIX)
        if SURROGATE.search(text):
            self._refuse(event, f"{text!r} holds half a character; write the character itself")
        if kind == "str":
            return text
        _, pattern, convert = SCALARS[kind]
        if not pattern.match(text):
            self._refuse(event, f"{text!r} is not written as !!{kind}")
            return None
        return convert(text)

    def _kind(self, event: NodeEvent) -> str | None:
        if event.anchor is not None:
            self._refuse(event, f"anchor '&{event.anchor}'; a value is written where it is used")
        tag: str | None = getattr(event, "tag", None)
        if tag is None:
            return None
        kind = tag.removeprefix(TAG_PREFIX)
        if kind != tag and isinstance(event, KINDS.get(kind, ())):
            return kind
        shown = tag.replace(TAG_PREFIX, "!!")
        self._refuse(event, f"tag {shown!r}; write the value without it")
        return None


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        SuiteError: If the file cannot be read, is not UTF-8 or YAML, is larger than `MAX_BYTES` or
            says something in a way that YAML 1.1 and its readers misunderstand; a line a finding.
    """
    text = _read_text(path)
    loader = StrictLoader(text)
    value = None
    try:
        value = loader.get_single_data()
    except MarkedYAMLError as error:
        loader.findings.append(_syntax(error))
    except (OverflowError, ValueError):
        # PyYAML does not check the numbers of escapes and directives before it converts them.
        loader.findings.append((loader.line + 1, "a number that is out of range"))
    if loader.findings:
        raise SuiteError([f"{path}:{line}: {text}" for line, text in loader.findings])
    return Document(path, value, loader.lines, loader.key_lines, loader.texts)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SuiteError([f"{path}:1: {reason}"]) from error
    if len(content) > MAX_BYTES:
        raise SuiteError([f"{path}:1: larger than {MAX_BYTES} bytes"])
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise SuiteError([f"{path}:{line}: {message}"]) from error
    control = StrictLoader.NON_PRINTABLE.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise SuiteError([f"{path}:{line}: character {control[0]!r} is not allowed in YAML"])
    return text


def _syntax(error: MarkedYAMLError) -> tuple[int, str]:
    line = _line(error.problem_mark)
    if error.context is None or error.context_mark is None:
        return line, f"{error.problem}"
    return line, f"{error.problem} {error.context} that begins in line {_line(error.context_mark)}"


def _line(mark: Any) -> int:  # noqa: ANN401 - PyYAML has two classes of marks
    return int(mark.line) + 1


def _stop(event: Any, problem: str) -> NoReturn:  # noqa: ANN401 - as for _line
    raise MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
