from dataclasses import replace

import pytest

from kbench.metrics import find_metric
from kbench.report.published_notes import COUNTED, NOT_COMPARED, READ, legend, source_notes
from kbench.report.table import Entry
from kbench.table_file import ToleranceSpec

ENTRY = Entry(find_metric("top1"), value=91.0, published=91.0, verdict="off")


def table_with(published, **changes):
    """Return the demonstration's published table with changes of its protocol, without a note."""
    table = published.tables[0].model_dump()
    table["protocol"] |= changes
    return type(published.tables[0]).model_validate(table | {"note": changes.get("note")})


def test_the_source_is_told_with_runs_spread_and_epoch(published) -> None:
    (note,) = source_notes(published.tables)
    assert note == (
        "published: Table 1 (journal); runs: 5; ± is the sample standard deviation;"
        " epoch reported: best test. errors are not defined"
    )


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        ("none", "no spread"),
        ("unknown", "meaning of ± not stated, read as a sample standard deviation"),
    ],
)
def test_what_the_paper_does_not_say_is_told(published, spread, text) -> None:
    (note,) = source_notes([table_with(published, runs=None, spread=spread)])
    assert f"; number of runs not stated; {text}; " in note


def test_a_note_that_ends_in_a_point_is_followed_by_one_only(published) -> None:
    table = table_with(published, note="One GPU.")
    (note,) = source_notes([table])
    assert "One GPU" in note
    assert ".." not in note


def test_without_published_numbers_there_is_no_legend() -> None:
    unpublished = replace(ENTRY, published=None, verdict=None)
    assert legend(ToleranceSpec(all=1.0), [unpublished]) == []
    assert legend(ToleranceSpec(), []) == []


def test_only_verdicts_that_are_there_are_explained_in_one_order() -> None:
    entries = [replace(ENTRY, verdict=verdict) for verdict in ("off", "close", "off")]
    (text,) = legend(ToleranceSpec(all=0.5), entries)
    assert text == "close: no match, but within the tolerance of 0.5; off: outside"
    (text,) = legend(ToleranceSpec(), [replace(ENTRY, verdict="n/a"), ENTRY])
    assert text == f"off: outside; {NOT_COMPARED}"


def test_the_tolerance_is_told_by_metric_with_its_reason() -> None:
    tolerance = ToleranceSpec(all=1.0, metrics={"top1": 0.25}, reason="another crop")
    (text,) = legend(tolerance, [replace(ENTRY, verdict="close")])
    assert text.endswith("within the tolerance of 0.25 (top1), 1, as another crop")


@pytest.mark.parametrize(("metric", "is_told"), [("num_params", True), ("top1", False)])
def test_digits_of_counts_are_told_where_there_are_counts(metric, is_told) -> None:
    entry = replace(ENTRY, metric=find_metric(metric), verdict="match")
    (text,) = legend(ToleranceSpec(), [entry])
    assert text.endswith(COUNTED) == is_told


def test_numbers_that_were_read_off_a_figure_are_marked() -> None:
    (text,) = legend(ToleranceSpec(), [replace(ENTRY, sign="~")])
    assert text == f"off: outside; {READ}"
