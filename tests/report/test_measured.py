import pytest

from kbench.report.collect import Point
from kbench.report.headings import Heading
from kbench.report.measured import NOTHING, Measurements
from kbench.report.outcome import Outcome
from kbench.report.quantity import plain

TOP1 = plain("top1")
ROW, LC, CONV = Heading(("digits",)), ("lc",), ("conv",)
GAIN = Heading(("lc - conv",), (LC, CONV), "minus")


@pytest.fixture
def measure(make_cell, make_suite):
    """Return a function that measures a place, given the values of each operator by seed."""

    def measure(column, **values):
        points = {}
        for operator, by_seed in values.items():
            outcomes = [
                Outcome(make_cell(operator=operator, seed=seed), "ok", "", {"top1": value})
                if value is not None
                else Outcome(make_cell(operator=operator, seed=seed), "missing", "", {})
                for seed, value in by_seed.items()
            ]
            points[ROW.labels, (operator,)] = Point(ROW.labels, (operator,), tuple(outcomes))
        measurements = Measurements(make_suite().tables[0], points)
        return measurements.measure(ROW, column, TOP1)

    return measure


def test_a_place_without_cells_has_nothing(measure):
    assert measure(Heading(LC), conv={0: 1.0}) == NOTHING


def test_a_difference_is_paired_by_seed(measure):
    measured = measure(GAIN, lc={0: 93.0, 1: 95.0, 2: 90.0}, conv={0: 91.0, 1: 92.0, 5: 80.0})
    assert measured.sample == {0: 2.0, 1: 3.0}


@pytest.mark.parametrize(
    ("conv", "text", "is_missing"),
    [({1: 91.0}, "no common seed", False), ({0: None}, "not run", True)],
    ids=["other-seed", "not-run"],
)
def test_a_difference_that_cannot_be_made_says_why(measure, conv, text, is_missing):
    measured = measure(GAIN, lc={0: 93.0}, conv=conv)
    assert (measured.sample, measured.text, measured.is_missing) == ({}, text, is_missing)


def test_a_difference_of_a_place_without_cells_is_nothing(measure):
    assert measure(GAIN, lc={0: 93.0}) == NOTHING


def test_remarks_of_a_difference_name_their_side(measure):
    measured = measure(GAIN, lc={0: 93.0, 1: None}, conv={0: 91.0, 1: 92.0})
    assert measured.remarks == ("lc: seed 1 not run",)
