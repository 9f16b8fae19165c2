import re
from pathlib import Path

import pytest

from kbench.errors import RecordError, SuiteError
from kbench.report.suites import (
    begun_scales,
    check_tables,
    find_suites,
    suite_tables,
)
from kbench.suite import load_suite

TABLE = {"id": "main", "rows": "operator", "columns": "dataset", "metric": "top1"}


@pytest.fixture
def load(write_suite):
    """Return a function that loads a suite with one table and the scale `smoke`."""

    def load(**keys):
        return load_suite(write_suite(tables=[TABLE], scales={"smoke": {"seeds": [7]}}, **keys))

    return load


def test_suites_of_the_folder_are_found_without_recipes_and_numbers(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["lc/table1", "quick", "recipes/plain", "lc/recipes/sgd", "published/lc", "lc/notes"]
    for name in names:
        path = tmp_path / "suites" / f"{name}.{'md' if name.endswith('notes') else 'yaml'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert find_suites() == [Path("suites/lc/table1.yaml"), Path("suites/quick.yaml")]


def test_without_suites_the_folder_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SuiteError, match="no suite in the folder 'suites'"):
        find_suites()


def test_tables_are_those_of_one_scale(load, finish, tmp_path) -> None:
    suite = load()
    (cell,) = suite.cells("smoke")
    finish(cell)
    values = {
        scale: [
            entry.value for entry in suite_tables(suite, scale, tmp_path / "results")[0].all_entries
        ]
        for scale in ("full", "smoke")
    }
    assert values == {"full": [None], "smoke": [97.5]}
    with pytest.raises(SuiteError, match="no scale 'small'; the suite has full, smoke"):
        suite_tables(suite, "small", tmp_path / "results")


def test_a_damaged_record_is_named(load, finish, tmp_path) -> None:
    suite = load()
    path = finish(suite.cells()[0])
    path.write_text("{")
    with pytest.raises(RecordError, match=r"record\.json: not a readable record"):
        suite_tables(suite, "full", tmp_path / "results")


def test_scales_with_results_are_begun_and_full_always_is(load, tmp_path) -> None:
    suite, results = load(), tmp_path / "results"
    assert list(begun_scales(suite, results)) == ["full"]
    (results / "demo" / "smoke").mkdir(parents=True)
    (results / "demo" / "small").mkdir()
    assert list(begun_scales(suite, results)) == ["full", "smoke"]


def test_what_is_wrong_in_tables_is_found_before_anything_runs_all_with_its_line(
    write_suite,
) -> None:
    tables = [
        TABLE | {"order": {"rows": ["konv"]}, "row_notes": {"ls": "x"}},
        TABLE | {"id": "other", "compare": "konv"},
        TABLE | {"id": "third", "derived": [{"label": "x", "metric": "top2", "minus": "top1"}]},
    ]
    suite = load_suite(write_suite(tables=tables))
    with pytest.raises(SuiteError, match="unknown") as caught:
        check_tables(suite, suite.scales)
    found = [finding.partition(": ")[2] for finding in caught.value.findings]
    assert [text.partition(" (did")[0].partition(";")[0] for text in found] == [
        "table 'main': order.rows: unknown key 'konv'",
        "table 'main': row_notes: unknown key 'ls'",
        "table 'other': compare.baseline: unknown label 'konv'",
        "unknown metric 'top2'",
    ]
    assert all(re.match(r".*demo\.yaml:\d+: ", finding) for finding in caught.value.findings)
