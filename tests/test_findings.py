from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from kbench.errors import SuiteError
from kbench.findings import Findings, explain, unknown_key
from kbench.suite_file import SuiteFile, known_keys
from kbench.table_file import TableSpec
from kbench.yaml_file import Document, read_yaml


@pytest.fixture
def document(tmp_path: Path) -> Document:
    path = tmp_path / "suite.yaml"
    path.write_text("suite: demo\ngrid:\n  - dataset: digits\ntables:\n  - rows: x\n")
    return read_yaml(path)


def raised(findings: Findings) -> tuple[str, ...]:
    with pytest.raises(SuiteError, match=":") as caught:
        findings.stop()
    return caught.value.findings


def test_nothing_found_raises_nothing() -> None:
    assert Findings().stop() is None


def test_findings_come_in_file_order_each_once(document) -> None:
    findings = Findings()
    findings.add(document, ("tables",), "third")
    findings.add(document, ("grid",), "second")
    findings.add(document, ("grid",), "second")
    findings.add(document, (), "first")
    findings.add_if(document, ("suite",), "")
    path = document.path
    assert raised(findings) == (f"{path}:1: first", f"{path}:2: second", f"{path}:4: third")


def test_a_finding_has_the_line_of_its_key_and_skips_what_shorthand_added(document) -> None:
    findings = Findings()
    findings.add(document, ("grid", 0, "dataset", 0, "name"), "here")
    assert raised(findings) == (f"{document.path}:3: here",)


@pytest.mark.parametrize("folder", ["plain", "with:colon", "a: 7: b"], ids=str)
def test_findings_of_another_error_are_taken_over_whatever_the_path(tmp_path, folder) -> None:
    text = f"{tmp_path / folder}/suite.yaml:12: key: 'x: y' is wrong"
    findings = Findings()
    findings.add_error(SuiteError([text]))
    assert raised(findings) == (text,)


def test_lines_are_sorted_as_numbers() -> None:
    findings = Findings()
    findings.add_error(SuiteError(["a.yaml:10: late", "a.yaml:9: early"]))
    assert raised(findings) == ("a.yaml:9: early", "a.yaml:10: late")


def test_a_finding_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match=r"finding \(='oops'\) must be PATH:LINE: TEXT"):
        Findings().add_error(SuiteError(["oops"]))


SUITE = {
    "suite": "demo",
    "title": "t",
    "recipe": "plain",
    "grid": [{"dataset": "digits", "architecture": "resnet8_cifar", "operator": "conv"}],
}
TABLE = {"id": "a", "rows": "operator", "columns": "dataset", "metric": "top1"}
WRONG = {
    "unknown-key": (
        {"tabels": []},
        ("tabels",),
        "unknown key 'tabels' (did you mean 'tables'?); known: suite, title, paper, ",
    ),
    "unknown-key-inside": (
        {"tables": [TABLE | {"colums": "x"}]},
        ("tables", 0, "colums"),
        "unknown key 'colums' (did you mean 'columns'?); known: id, title, rows, ",
    ),
    "unknown-key-of-scale": (
        {"scales": {"smoke": {"recip": "x"}}},
        ("scales", "smoke", "recip"),
        "unknown key 'recip' (did you mean 'recipe'?); known: recipe, seeds, limit, ",
    ),
    "unknown-scale": (
        {"scales": {"tiny": {}}},
        ("scales", "tiny", "[key]"),
        "expected 'full', 'small' or 'smoke', got 'tiny'",
    ),
    "text-for-integer": ({"seeds": ["0"]}, ("seeds", 0), "seeds: expected an integer, got '0'"),
    "float-for-integer": ({"seeds": 1.0}, ("seeds", 0), "seeds: expected an integer, got 1.0"),
    "boolean-for-integer": ({"seeds": True}, ("seeds", 0), "seeds: expected an integer, got True"),
    "integer-for-text": ({"title": 3}, ("title",), "title: expected text, got 3"),
    "out-of-range": (
        {"seeds": -1},
        ("seeds", 0),
        "seeds: expected greater than or equal to 0, got -1",
    ),
    "empty-grid": ({"grid": []}, ("grid",), "grid: an empty list; at least one is needed"),
    "empty-axis": (
        {"grid": [SUITE["grid"][0] | {"operator": []}]},
        ("grid", 0, "operator"),
        "operator: an empty list; at least one is needed",
    ),
    "block-of-text": ({"grid": "digits"}, ("grid", 0), "grid: expected a mapping, got 'digits'"),
    "choice-of-number": (
        {"evaluate": 3},
        ("evaluate", 0),
        "expected a name or a mapping, got 3",
    ),
    "recipe-of-number": ({"recipe": 3}, ("recipe",), "expected a name or a mapping, got 3"),
    "published-of-number": (
        {"tables": [TABLE | {"published": 3}]},
        ("tables", 0, "published", 0),
        "expected a name or a mapping, got 3",
    ),
    "mapping-option": (
        {"evaluate": {"name": "fgsm", "epsilon": {"a": 1}}},
        ("evaluate", 0, "options", "epsilon", 0),
        "epsilon: expected true, false, null, a number or text, got {'a': 1}",
    ),
    "list-for-mapping": ({"limit": [1]}, ("limit",), "limit: expected a mapping, got [1]"),
    "text-for-list": ({"notes": "x"}, ("notes",), "notes: expected a list, got 'x'"),
    "pattern": (
        {"suite": "Demo 1"},
        ("suite",),
        "suite: string should match pattern '^[a-z][a-z0-9_-]*$', got 'Demo 1'",
    ),
    "choice": (
        {"task": "driving"},
        ("task",),
        "task: expected 'classification', 'segmentation' or 'fitting', got 'driving'",
    ),
    "infinity": (
        {"tables": [TABLE | {"tolerance": float("inf")}]},
        ("tables", 0, "tolerance", "all"),
        "all: expected a finite number, got inf",
    ),
    "doubled-seed": ({"seeds": [1, 1]}, ("seeds",), "a seed is given twice: [1, 1]"),
    "duration": (
        {"time_limit": "soon"},
        ("time_limit",),
        "'soon' is no duration; write 2h, 90m, 45s, 1h30m or 02:00:00",
    ),
    "long-value": (
        {"title": list(range(40))},
        ("title",),
        "title: expected text, got [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16...",
    ),
}


@pytest.mark.parametrize(("change", "loc", "text"), WRONG.values(), ids=WRONG.keys())
def test_each_kind_of_error_has_its_words(change, loc, text) -> None:
    with pytest.raises(ValidationError, match="SuiteFile") as caught:
        SuiteFile.model_validate(SUITE | change)
    found = explain(caught.value, known_keys)
    assert list(found) == [loc]
    assert found[loc].startswith(text)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValidationError, match="SuiteFile") as caught:
        SuiteFile.model_validate({key: SUITE[key] for key in ("suite", "title", "grid")})
    assert explain(caught.value, known_keys) == {("recipe",): "missing key 'recipe'"}


def test_a_file_that_is_no_mapping_is_told_so() -> None:
    with pytest.raises(ValidationError, match="SuiteFile") as caught:
        SuiteFile.model_validate(["a"])
    assert explain(caught.value, known_keys) == {(): "expected a mapping, got ['a']"}


def test_an_option_may_be_called_like_a_type() -> None:
    with pytest.raises(ValidationError, match="dict") as caught:
        TypeAdapter(dict[str, int]).validate_python({"int": "x"}, strict=True)
    assert list(explain(caught.value, known_keys).values()) == [
        "expected true, false, null, a number or text, got 'x'"
    ]


def test_unknown_key_far_from_all_gets_no_guess() -> None:
    assert unknown_key("zzz", iter(["b", "a"])) == "unknown key 'zzz'; known: b, a"


def test_known_keys_follow_the_location() -> None:
    assert known_keys(("tables", 3)) == list(TableSpec.model_fields)
