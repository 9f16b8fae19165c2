"""The table of YAML 1.1 traps is the test: what is written, and what the strict loader gives."""

import json
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.errors import SuiteError
from kbench.yaml_file import MAX_BYTES, MAX_DEPTH, MAX_FINDINGS, Document, StrictLoader, read_yaml


@pytest.fixture
def write(tmp_path: Path):
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "suite.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def findings(path: Path) -> list[str]:
    with pytest.raises(SuiteError, match=r"suite\.yaml") as caught:
        read_yaml(path)
    prefix = f"{path}:"
    assert all(finding.startswith(prefix) for finding in caught.value.findings)
    return [finding.removeprefix(prefix) for finding in caught.value.findings]


FLOATS = ("5e-5", "1e3", "1.0e3", "1E+3", "-2.5", "+1.5", ".5", "5.", "0.1", "3.10")
INTEGERS = ("0", "-1", "+5", "120", "9007199254740993")
TEXTS = (
    *("no", "on", "Yes", "OFF", "y", "True", "TRUE", "False"),
    *("10:30", "1:30:00", "017", "0x1F", "0b11", "0o17", "1_000", "1_000.5", "00", "01.5"),
    *("2023-01-01", "2001-12-14t21:59:43.10-05:00", ".nan", ".inf", "-.inf", ".NaN"),
    *("~", "Null", "NULL", "=", "1/255", "1e", "e5", ".", "-", "+", "1.2.3", "null x", "0 1"),
)


@pytest.mark.parametrize("written", FLOATS, ids=str)
def test_a_number_with_point_or_exponent_is_a_float(write, written):
    value = read_yaml(write(f"a: {written}\n")).value["a"]
    assert (type(value), value) == (float, float(written))


@pytest.mark.parametrize("written", INTEGERS, ids=str)
def test_a_number_without_point_is_an_integer(write, written):
    value = read_yaml(write(f"a: {written}\n")).value["a"]
    assert (type(value), value) == (int, int(written))


@pytest.mark.parametrize("written", TEXTS, ids=str)
def test_what_only_yaml_1_1_takes_for_something_else_is_text(write, written):
    document = read_yaml(write(f"a: [x, {written}]\n"))
    assert document.value == {"a": ["x", written]}


@pytest.mark.parametrize("written", [text for text in TEXTS if text != "-"], ids=str)
def test_what_only_yaml_1_1_takes_for_something_else_is_a_key(write, written):
    assert read_yaml(write(f"{written}: 1\n")).value == {written: 1}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("'null'", "null"),
        ('"1"', "1"),
        ("''", ""),
        ("!!str 5", "5"),
        ("!!str", ""),
        ("!!int '5'", 5),
        ("!!float 3", 3.0),
        ("!!map {b: 1}", {"b": 1}),
        ("!!seq [1]", [1]),
        ("|\n  x\n  y\n", "x\ny\n"),
        ("[]", []),
        ("{}", {}),
    ],
    ids=str,
)
def test_json_in_yaml_is_what_it_says(write, written, value):
    assert repr(read_yaml(write(f"a: {written}\n")).value) == repr({"a": value})


def test_single_values_are_kept_as_they_are_written(write):
    document = read_yaml(write("a: [0.70, 7.0e-1, '0.7']\nb: {c: null}\n"))
    assert document.value == {"a": [0.7, 0.7, "0.7"], "b": {"c": None}}
    assert document.texts == {
        ("a", 0): "0.70",
        ("a", 1): "7.0e-1",
        ("a", 2): "0.7",
        ("b", "c"): "null",
    }


@pytest.mark.parametrize("written", ["1e400", "1" * 500], ids=["exponent", "digits"])
def test_a_number_beyond_float64_is_infinity(write, written):
    assert read_yaml(write(f"a: {written}\n")).value == {"a": math.inf}


REFUSED = {
    "value-left-out": ("a: 1\nb:\n", "2: nothing is written here; write null or ''"),
    "item-left-out": ("a:\n  - 1\n  -\n", "3: nothing is written here; write null or ''"),
    "value-left-out-in-braces": ("{a: 1, b}", "1: nothing is written here; write null or ''"),
    "key-twice": ("a: 1\nb: 2\na: 3\n", "3: key 'a' is given twice; first in line 1"),
    "key-twice-in-braces": ("x:\n  {a: 1, 'a': 2}\n", "2: key 'a' is given twice; first in line 2"),
    "integer-key": ("x: {1: y}\n", "1: key 1 is not text; write '1'"),
    "float-key": ("\n3.10: y\n", "2: key 3.10 is not text; write '3.10'"),
    "null-key": ("null: y\n", "1: key null is not text; write 'null'"),
    "boolean-key": ("true: y\n", "1: key true is not text; write 'true'"),
    "list-key": ("? [a, b]\n: 1\n", "1: a key that is a list or a mapping; keys are text"),
    "anchor": ("a: &x 1\n", "1: anchor '&x'; a value is written where it is used"),
    "anchor-of-mapping": ("a: &x\n  b: 1\n", "1: anchor '&x'; a value is written where it is used"),
    "alias": ("a: 1\nb: *x\n", "2: alias '*x'; a value is written where it is used"),
    "alias-key": ("*x : 1\n", "1: alias '*x'; a value is written where it is used"),
    "merge-key": ("a:\n  <<: {b: 1}\n", "2: merge key '<<'; a value is written where it is used"),
    "set": ("a: !!set {b: null}\n", "1: tag '!!set'; write the value without it"),
    "binary": ("a: !!binary aGk=\n", "1: tag '!!binary'; write the value without it"),
    "python": ("a: !!python/name:os.system x\n", "1: tag '!!python/name:os.system'; write the"),
    "timestamp": (
        "a: !!timestamp 2023-01-01\n",
        "1: tag '!!timestamp'; write the value without it",
    ),
    "own-tag": ("a: !foo 1\n", "1: tag '!foo'; write the value without it"),
    "empty-tag": ("a: ! 1\n", "1: tag '!'; write the value without it"),
    "tag-of-another-kind": ("a: !!map [1]\n", "1: tag '!!map'; write the value without it"),
    "tag-that-converts": ("a: !!int 0x1F\n", "1: '0x1F' is not written as !!int"),
    "tag-without-value": ("a: !!int\n", "1: '' is not written as !!int"),
    "half-a-character": ('a: "\\ud800"\n', "1: '\\ud800' holds half a character"),
    "empty": ("", "1: file is empty"),
    "comment-only": ("# nothing\n", "1: file is empty"),
    "marker-only": ("---\n", "2: nothing is written here"),
    "second-document": ("a: 1\n---\nb: 2\n", "2: a second document; a file holds one"),
    "tab": ("a:\n\tb: 1\n", "2: found character '\\t' that cannot start any token"),
    "colon-in-text": ("title: a: b\n", "1: mapping values are not allowed here"),
    "open-bracket": (
        "a: [1,\n  2\n",
        "3: expected ',' or ']', but got '<stream end>' while parsing",
    ),
    "open-quote": ("\na: 'x\n", "3: found unexpected end of stream while scanning a quoted scalar"),
    "indentation": (
        "- a: 1\n b: 2\n",
        "2: expected <block end>, but found '<block mapping start>'",
    ),
    "escape-out-of-range": ('a: "\\UFFFFFFFF"\n', "1: a number that is out of range"),
    "not-utf-8": (b"a: 1\nb: caf\xe9\n", "2: byte 0xe9 is not UTF-8"),
    "utf-16": ("a: 1\n".encode("utf-16"), "1: byte 0xff is not UTF-8"),
    "control-character": (b"a: 1\nb: x\x00\n", "2: character '\\x00' is not allowed in YAML"),
    "too-deep-in-brackets": ("[" * 10_000, f"1: nested deeper than {MAX_DEPTH} levels"),
    "too-deep-in-lines": (
        "\n".join(" " * level + "a:" for level in range(2000)),
        f"{MAX_DEPTH + 2}: nested deeper than {MAX_DEPTH} levels",
    ),
}


@pytest.mark.parametrize(("content", "finding"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_file_and_line(write, content, finding):
    found = findings(write(content))
    assert len(found) == 1
    assert found[0].startswith(finding)


def test_all_findings_of_a_file_are_reported_in_its_order(write):
    path = write("a: &x 1\nb: *x\na: !!set {}\n3: 4\nc:\nd: [e: 'f]\n")
    assert [finding.split(":")[0] for finding in findings(path)] == [
        "1",
        "2",
        "3",
        "3",
        "4",
        "5",
        "7",
    ]


def test_findings_end_after_a_number_of_them(write):
    found = findings(write("a: *x\n" * 2 * MAX_FINDINGS))
    assert len(found) == MAX_FINDINGS + 1
    assert found[-1].endswith(f"more than {MAX_FINDINGS} findings; the rest is not read")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.yaml", "no such file or directory"), (".", "is a directory")],
    ids=["missing", "directory"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    path = tmp_path / name
    with pytest.raises(SuiteError, match=reason) as caught:
        read_yaml(path)
    assert caught.value.findings == (f"{path}:1: {reason}",)


def test_a_huge_file_is_refused_unread(write):
    with pytest.raises(SuiteError, match=rf"suite\.yaml:1: larger than {MAX_BYTES} bytes"):
        read_yaml(write(b"a" * (MAX_BYTES + 1)))


def test_the_path_is_shown_as_the_caller_gave_it(write, monkeypatch):
    monkeypatch.chdir(write("a:\n").parent)
    with pytest.raises(SuiteError, match=r"^suite\.yaml:1: nothing"):
        read_yaml(Path("suite.yaml"))


def test_a_byte_order_mark_is_no_part_of_the_first_key(write):
    assert read_yaml(write(b"\xef\xbb\xbfa: 1\n")).value == {"a": 1}


def test_the_safe_loader_of_others_is_unchanged(write):
    read_yaml(write("a: no\n"))
    assert yaml.safe_load("a: no") == {"a": False}
    assert yaml.load("a: no", Loader=StrictLoader) == {"a": "no"}  # noqa: S506 - derives from SafeLoader


@pytest.fixture
def document(write) -> Document:
    content = """\
# a comment
suite: lc
grid:
  - dataset: [cifar10,
              svhn]
    operator: {name: lc, expansion: 128}
  -
    dataset: digits
recipe:
  epochs: 1
"""
    return read_yaml(write(content))


@pytest.mark.parametrize(
    ("loc", "line", "key_line"),
    [
        ((), 2, 2),
        (("suite",), 2, 2),
        (("grid",), 4, 3),
        (("grid", 0), 4, 4),
        (("grid", 0, "dataset", 1), 5, 5),
        (("grid", 1), 8, 8),
        (("recipe",), 10, 9),
        (("recipe", "epochs"), 10, 10),
        (("recipe", "epochs", "deeper", 3), 10, 10),
        (("grid", 0, "operator", "options", "expansion", 0), 6, 6),
        (("grid", 7, "recipe"), 4, 3),
        (("nowhere", 0), 2, 2),
    ],
    ids=str,
)
def test_every_value_keeps_its_line(document, loc, line, key_line):
    assert (document.line(loc), document.key_line(loc)) == (line, key_line)
    assert document.where(loc) == f"{document.path}:{line}"


TOKENS = st.sampled_from([*"ab01-:,?[]{}&*!|>%@'\"#\\ \n\t.~<="]) | st.sampled_from(
    [
        "a: ",
        "\n- ",
        "\n  ",
        "---\n",
        "...\n",
        "\n? ",
        "\n: ",
        "!!int ",
        "<<: ",
        "&a ",
        "*a ",
        '"\\U',
    ]
)


def read_or_refuse(path: Path) -> int:
    try:
        return read_yaml(path).line(())
    except SuiteError as error:
        return len(error.findings)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=st.lists(TOKENS, max_size=25).map("".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read_or_refuse(path) >= 1


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)  # below what JSON writes in halves


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    value=st.recursive(
        SCALARS | TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_json_writes_is_read_back(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "json.yaml"
    path.write_text(json.dumps(value, indent=1))
    assert repr(read_yaml(path).value) == repr(value)
