import pytest

from kbench.report.best import Standings
from kbench.report.collect import Point
from kbench.report.entries import Entries
from kbench.report.headings import Heading
from kbench.report.lookup import Paper
from kbench.report.measured import Measurements
from kbench.report.outcome import Outcome
from kbench.report.quantity import plain

ROW, CONV = ("digits",), ("conv",)
PLACE = (ROW, CONV, "top1")


@pytest.fixture
def fill(make_cell, make_suite):
    """Return a function that gives the entry of one place."""

    def fill(paper, *, ranks=None, remarks=None, status="ok", columns=None):
        spec = make_suite(
            paper="demo", published={"table": "table1", "columns": columns or {}}, tolerance=1.0
        ).tables[0]
        outcome = Outcome(make_cell(), status, "", {"top1": 91.0} if status == "ok" else {})
        standings = Standings(None, ranks or {}, remarks or {}, frozenset(), untested=False)
        point = Point(ROW, CONV, (outcome,))
        papers = [Paper(spec.published[0], paper)] if paper else []
        measurements = Measurements(spec, {(ROW, CONV): point})
        entries = Entries(measurements, standings, papers)
        return entries.fill([Heading(ROW)], [Heading(CONV, quantity=plain("top1"))])[0][0]

    return fill


def test_without_a_paper_there_is_no_verdict(fill):
    entry = fill(None)
    assert (entry.value, entry.n, entry.std, entry.verdict) == (91.0, 1, None, None)


def test_what_the_paper_does_not_have_is_not_compared(fill, published):
    assert fill(published.tables[0]).verdict is None


def test_a_published_number_stands_beside_with_difference_and_verdict(fill, published):
    entry = fill(published.tables[0], columns={"conv": "baseline"})
    assert (entry.published, entry.published_std, entry.published_n) == (91.5, 0.5, 3)
    # One run lies within 4.302653 * 0.5 * sqrt(4/3) = 2.48 of the paper's three.
    assert (entry.difference, entry.verdict) == (-0.5, "match")


@pytest.mark.parametrize(("rank", "marks"), [("best", (True, False)), ("second", (False, True))])
def test_ranks_are_marked(fill, rank, marks):
    entry = fill(None, ranks={PLACE: rank})
    assert (entry.is_best, entry.is_second) == marks


def test_remarks_of_the_comparison_are_kept(fill):
    assert fill(None, remarks={PLACE: "unlike"}).remarks == ("unlike",)


@pytest.mark.parametrize(("status", "verdict"), [("missing", "not run"), ("diverged", "n/a")])
def test_a_number_that_is_not_there_has_no_difference(fill, published, status, verdict):
    entry = fill(published.tables[0], columns={"conv": "baseline"}, status=status)
    assert (entry.value, entry.difference, entry.verdict) == (None, None, verdict)
