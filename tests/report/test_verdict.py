import pytest

from kbench.report.reference import Reference
from kbench.report.statistics import Summary
from kbench.report.verdict import find_verdict


# Measured 91.0, three seeds with standard deviation 0.1: the paper's five runs lie within
# 4.302653 * 0.1 * sqrt(1/3 + 1/5) = 0.3142, those of one run within 0.4968.
@pytest.mark.parametrize(
    ("published", "runs", "tolerance", "expected"),
    [
        (91.31, 5, None, "match"),
        (91.32, 5, None, "off"),
        (91.32, 5, 0.5, "close"),
        (91.49, None, None, "match"),
        (91.5, None, None, "off"),
        (90.5, 5, 0.5, "close"),
        (90.49, 5, 0.5, "off"),
        (None, None, 0.5, "n/a"),
    ],
)
def test_verdict_of_several_seeds(published, runs, tolerance, expected):
    verdict = find_verdict(Summary(91.0, 0.1, 3), Reference(published, None, runs), tolerance)
    assert verdict == expected


@pytest.mark.parametrize(
    ("published", "std", "tolerance", "expected"),
    [
        (91.6, None, 0.5, "close"),
        (91.61, None, 0.5, "off"),
        (91.1, None, None, "n/a"),
        (91.1, None, 0.0, "close"),
        (91.4, 0.1, None, "match"),
        (91.41, 0.1, None, "off"),
    ],
)
def test_verdict_of_one_seed(published, std, tolerance, expected):
    # One run lies within 2.776445 * 0.1 * sqrt(1 + 1/5) = 0.3041 of five runs that spread by 0.1.
    measured = Summary(91.1, None, 1)
    assert find_verdict(measured, Reference(published, std, 5), tolerance) == expected


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(664_999.0, "match"), (665_001.0, "close"), (670_001.0, "off")],
)
def test_a_count_matches_within_the_printed_digits(ours, expected):
    # 0.66 million, that is 655,000 to 665,000, and a tolerance of 10,000.
    reference = Reference(660_000.0, rounding=5_000.0)
    assert find_verdict(Summary(ours, None, 1), reference, 10_000.0) == expected


def test_reading_a_figure_widens_the_margins():
    reference = Reference(90.0, reading=0.3)
    assert find_verdict(Summary(91.2, None, 1), reference, 1.0) == "close"
    assert find_verdict(Summary(91.4, None, 1), reference, 1.0) == "off"


@pytest.mark.parametrize(("ours", "expected"), [(3.0, "match"), (9.0, "match"), (2.0, "off")])
def test_a_lower_bound_is_met_from_there_on(ours, expected):
    assert find_verdict(Summary(ours, None, 1), Reference(3.0, sign=">"), None) == expected


def test_what_is_not_comparable_has_no_verdict():
    reference = Reference(91.0, is_comparable=False)
    assert find_verdict(Summary(91.0, 0.1, 3), reference, 1.0) == "n/a"
