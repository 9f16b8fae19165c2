import pytest

from kbench.report.coverage_command import LISTS, find_papers_coverage
from kbench.suite import load_suite

TABLE = {
    "id": "main",
    "rows": "dataset",
    "columns": "operator",
    "metric": "top1",
    "published": {"table": "table1", "columns": {"conv": "baseline"}},
}


@pytest.fixture
def suite(write_suite, published):
    """Return a suite of one cell whose paper `demo` has six numbers, and a paper beside it."""
    path = write_suite(paper="demo", tables=[TABLE], scales={"smoke": {"seeds": [7]}})
    folder = path.parent / "published"
    folder.mkdir()
    (folder / "demo.yaml").write_text(published.model_dump_json())
    other = published.model_dump_json().replace('"paper":"demo"', '"paper":"other"')
    (folder / "other.yaml").write_text(other)
    return load_suite(path)


def test_numbers_that_a_suite_has_cells_for_are_covered(suite, tmp_path) -> None:
    found = find_papers_coverage([suite], tmp_path / "results", is_all=False)
    (items,) = found.values()
    assert list(found) == ["demo"]
    covered = [(item.cell.row, item.cell.column) for item in items if item.is_covered]
    assert (len(items), covered) == (6, [("digits", "baseline")])


def test_papers_that_no_suite_names_belong_to_all(suite, tmp_path) -> None:
    found = find_papers_coverage([suite], tmp_path / "results", is_all=True)
    assert [item.is_covered for item in found["other"]] == 6 * [False]


def test_a_suite_without_a_paper_covers_nothing(write_suite, tmp_path) -> None:
    suite = load_suite(write_suite())
    assert find_papers_coverage([suite], tmp_path / "results", is_all=True) == {}


def test_results_of_every_scale_are_looked_at(suite, finish, tmp_path) -> None:
    (smoke,) = suite.cells("smoke")
    finish(smoke)
    (first, *_) = find_papers_coverage([suite], tmp_path / "results", is_all=False)["demo"]
    assert [place.scale for place in first.places] == ["full", "smoke"]
    assert (first.is_run("smoke"), first.is_run("full"), first.verdict) == (True, False, "not run")


def test_the_list_has_a_line_for_every_number(suite, tmp_path) -> None:
    found = find_papers_coverage([suite], tmp_path / "results", is_all=True)
    rows = LISTS["published"](found)
    assert [row["paper"] for row in rows] == 6 * ["demo"] + 6 * ["other"]
    assert rows[0]["value"] == "91.5 ± 0.5"


def test_the_summary_adds_up(suite, finish, tmp_path) -> None:
    finish(suite.cells()[0])
    found = find_papers_coverage([suite], tmp_path / "results", is_all=True)
    rows = LISTS["summary"](found)
    assert [row["paper"] for row in rows] == ["demo", "other", "all"]
    assert [row["published"] for row in rows] == [6, 6, 12]
    assert [row["covered"] for row in rows] == [1, 0, 1]
    assert [row["run full"] for row in rows] == [1, 0, 1]
