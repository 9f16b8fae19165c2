import pytest

from kbench.report.coverage import (
    Coverage,
    Place,
    add_up,
    describe,
    find_coverage,
    find_places,
    summarise_paper,
)
from kbench.report.reference import Source
from kbench.report.uncovered import Uncovered


def test_a_table_measures_the_numbers_beside_its_own(table):
    places = find_places([table])
    place = places["demo", Source("table1", "digits", "baseline", "top1")][0]
    assert str(place) == "demo: main: digits | conv | top1"
    assert (place.scale, place.is_measured, place.verdict) == ("full", True, "match")
    assert len(places) == 7


@pytest.fixture
def found(table, published):
    """Return what becomes of the paper's numbers, one of them given a reason."""
    rule = Uncovered(table="table1", rows=("svhn",), reason="too small a picture")
    return find_coverage(published, find_places([table]), [rule])


def test_numbers_that_are_known_are_counted(found):
    counts = summarise_paper("demo", found)
    assert (counts["published"], counts["covered"], counts["neither"]) == (6, 6, 0)
    assert (counts["match"], counts["close"], counts["off"], counts["n/a"]) == (4, 1, 1, 0)
    assert (counts["run full"], counts["run small"]) == (6, 0)


def test_what_no_suite_measures_has_its_reason(published):
    rule = Uncovered(table="table1", rows=("svhn",), columns=("lc",), reason="why")
    counts = summarise_paper("demo", find_coverage(published, {}, [rule]))
    assert (counts["not covered, with reason"], counts["neither"]) == (1, 5)


def test_another_scale_covers_nothing(published):
    source = Source("table1", "digits", "baseline", "top1")
    place = Place(
        "demo", "smoke", "main", "digits", "conv", "top1", is_measured=True, verdict="n/a"
    )
    item = find_coverage(published, {("demo", source): [place]}, [])[0]
    assert (item.is_covered, item.is_run("smoke"), item.is_run("full")) == (False, True, False)
    assert item.verdict == "n/a"


def test_a_line_names_cell_or_reason(found, published):
    line = describe("demo", found[0])
    assert (line["value"], line["verdict"], line["reason"]) == ("91.5 ± 0.5", "match", "")
    table = published.tables[0]
    gap = describe("demo", Coverage(table, table.cells[0], (), "why"))
    assert (gap["suite cell"], gap["verdict"], gap["reason"]) == ("", "", "why")
    none = describe("demo", Coverage(table, table.cells[0], (), ""))
    assert none["reason"] == "NO SUITE CELL AND NO REASON"


def test_papers_are_added_up():
    rows = [{"paper": "a", "match": 1}, {"paper": "b", "match": 2}]
    assert add_up(rows) == {"paper": "all", "match": 3}
