import pytest

from kbench.cell import Limit
from kbench.report.build import build_tables
from kbench.report.outcome import read_outcomes


@pytest.fixture
def notes_of(make_suite, results):
    def notes_of(cells, *, paper=None, **table):
        return build_tables(make_suite(paper=paper, **table), read_outcomes(cells, results))[
            0
        ].notes

    return notes_of


def test_places_without_a_number_are_told_once_for_all(make_cell, write, notes_of):
    cells = [make_cell(operator=name) for name in ("conv", "lc")]
    for cell in cells:
        write(cell, {"top1": 90.0})
    notes = notes_of(cells, metric=["loss", "top5"])
    assert notes == ("not measured: the cells are done, their records lack this number",)


@pytest.mark.parametrize(
    ("paper", "whose"), [("demo", "paper's"), (None, "full")], ids=["paper", "none"]
)
def test_other_scales_and_limits_are_told(make_cell, notes_of, paper, whose):
    cell = make_cell(scale="smoke", limit=Limit(256, 100))
    assert notes_of([cell], paper=paper) == (
        f"scale smoke: not the {whose} protocol; its numbers are not comparable, no verdicts",
        "limit: only the first 256 training images and 100 test images",
    )


def test_notes_of_suite_and_table_come_last(make_suite, make_cell, results):
    suite = make_suite(suite_notes=["of the suite"], notes=["of the table"])
    notes = build_tables(suite, read_outcomes([make_cell()], results))[0].notes
    assert notes[-2:] == ("of the suite", "of the table")
