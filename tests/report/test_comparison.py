import pytest

from kbench.metrics import find_metric
from kbench.report.comparison import put_beside
from kbench.report.measured import Measured
from kbench.report.reference import Reference, Source
from kbench.report.table import Entry
from kbench.table_file import ToleranceSpec

TOP1 = Entry(find_metric("top1"), value=91.0, n=3)
MEASURED = Measured({0: 90.9, 1: 91.0, 2: 91.1}, "")
SOURCE = Source("table1", "digits", "baseline", "top1")


def test_a_published_number_is_put_down_with_everything_known_about_it() -> None:
    reference = Reference(91.2, 0.3, 5, sign="~", sources=(SOURCE,))
    entry = put_beside(TOP1, MEASURED, reference, ToleranceSpec())
    assert (entry.published, entry.published_std, entry.published_n) == (91.2, 0.3, 5)
    assert (entry.published_text, entry.sign, entry.sources) == ("", "~", (SOURCE,))
    assert (entry.value, entry.n) == (91.0, 3)
    # 91.0 - 91.2, rounded in the last digits.
    assert entry.difference == pytest.approx(-0.2, abs=1e-12)


# Three runs of 91.0 with a deviation of 0.1, five of the paper with 0.1: Welch's test has 4.34
# degrees of freedom and tells them apart from 2.69 * 0.1 * sqrt(1/3 + 1/5) = 0.20 on.
@pytest.mark.parametrize(
    ("published", "tolerance", "verdict"),
    [(91.1, None, "match"), (91.4, None, "off"), (91.4, 0.5, "close"), (91.6, 0.5, "off")],
    ids=["noise", "outside", "tolerance", "outside both"],
)
def test_the_verdict_allows_for_seeds_and_tolerance(published, tolerance, verdict) -> None:
    reference = Reference(published, 0.1, 5)
    entry = put_beside(TOP1, MEASURED, reference, ToleranceSpec(all=tolerance))
    assert entry.verdict == verdict


def test_the_tolerance_is_that_of_the_metric() -> None:
    reference, tolerance = Reference(92.0, 0.1, 5), ToleranceSpec(metrics={"loss": 5.0})
    assert put_beside(TOP1, MEASURED, reference, tolerance).verdict == "off"
    tolerance = ToleranceSpec(metrics={"top1": 5.0})
    assert put_beside(TOP1, MEASURED, reference, tolerance).verdict == "close"


@pytest.mark.parametrize(("text", "shown"), [("> 3 GB", "> 3 GB"), ("", "n/a")])
def test_what_is_not_known_has_its_text_and_no_verdict(text, shown) -> None:
    entry = put_beside(TOP1, MEASURED, Reference(None, text=text), ToleranceSpec(all=9.0))
    assert (entry.published, entry.published_text) == (None, shown)
    assert (entry.difference, entry.verdict) == (None, "n/a")


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (Measured({}, "not run"), "not run"),
        (Measured({}, "not run", has_cells=False), "n/a"),
        (Measured({}, "diverged"), "n/a"),
    ],
    ids=["to be run", "no cells", "diverged"],
)
def test_without_a_measurement_there_is_no_difference(measured, verdict) -> None:
    entry = put_beside(Entry(TOP1.metric), measured, Reference(91.0), ToleranceSpec(all=9.0))
    assert (entry.published, entry.difference, entry.verdict) == (91.0, None, verdict)


def test_another_protocol_has_a_difference_but_no_verdict() -> None:
    measured = Measured({0: 91.0}, "", is_papers_protocol=False)
    entry = put_beside(TOP1, measured, Reference(91.0), ToleranceSpec(all=9.0))
    assert (entry.difference, entry.verdict) == (0.0, "n/a")
