from pathlib import Path

import pytest

from kbench.errors import RecordError, SuiteError
from kbench.report.suites import (
    begun_scales,
    find_published,
    find_suites,
    published_files,
    published_path,
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


def put(folder: Path, published, name: str = "demo") -> Path:
    """Write published numbers into a folder `published`; return the file."""
    path = folder / "published" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(published.model_copy().model_dump_json())
    return path


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


def test_published_numbers_are_looked_for_in_the_folders_above(load, published, tmp_path) -> None:
    assert find_published(load()) is None
    suite = load(paper="demo")
    far = put(tmp_path, published)
    assert published_path(suite) == far
    (found,) = find_published(suite).tables
    assert [cell.value for cell in found.cells] == [91.5, 93.0, 98.0, None, 60.0, 61.2, 2.0]
    near = put(suite.path.parent, published)
    assert published_path(suite) == near


def test_a_paper_without_numbers_is_named_with_its_line(load) -> None:
    suite = load(paper="demo")
    with pytest.raises(SuiteError, match=r"demo\.yaml:\d+: no file 'published/demo\.yaml' here"):
        published_path(suite)


def test_files_are_those_of_the_suites_or_all_beside_them(load, published) -> None:
    suite = load(paper="demo")
    folder = suite.path.parent
    own, other = put(folder, published), put(folder, published, "other")
    assert published_files([suite, suite], whole_folders=False) == [own]
    assert published_files([suite], whole_folders=True) == [own, other]
    assert published_files([load()], whole_folders=True) == []


def test_scales_with_results_are_begun_and_full_always_is(load, tmp_path) -> None:
    suite, results = load(), tmp_path / "results"
    assert list(begun_scales(suite, results)) == ["full"]
    (results / "demo" / "smoke").mkdir(parents=True)
    (results / "demo" / "small").mkdir()
    assert list(begun_scales(suite, results)) == ["full", "smoke"]
