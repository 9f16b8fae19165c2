import pytest

from kbench.metrics import Metric, find_metric
from kbench.report import numbers
from kbench.report.statistics import Contrast
from kbench.report.table import Entry

TOP1, COUNT, LOSS = (find_metric(name) for name in ("top1", "num_params", "loss"))
MSE = Metric("squared", "", "min", 4, "a mean of squares")


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        (TOP1, 91.456, "91.46"),
        (TOP1, -0.001, "0.00"),
        (TOP1, -0.5, "-0.50"),
        (COUNT, 272474.0, "272,474"),
        (LOSS, 0.12345, "0.1235"),
        (MSE, 0.12345, "0.1235"),
        (MSE, 2e-8, "2.0e-08"),
        (MSE, 0.0, "0.0000"),
    ],
)
def test_numbers_have_the_decimals_of_the_metric(metric, value, expected):
    assert numbers.number(metric, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, "+0.50"), (-0.5, "-0.50"), (0.001, "±0.00"), (-0.001, "±0.00")]
)
def test_differences_have_a_sign(value, expected):
    assert numbers.difference(TOP1, value) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(TOP1, value=91.0, n=1), ""),
        (Entry(TOP1, value=91.0, std=0.5, n=3), " ± 0.50"),
        (Entry(TOP1, value=91.0, std=0.5, n=2), " ± 0.50 (n=2)"),
    ],
    ids=["one-seed", "usual", "fewer"],
)
def test_a_spread_is_shown_for_several_seeds_and_n_where_it_is_unusual(entry, expected):
    assert numbers.spread(entry, 3) == expected


def test_a_published_spread_is_shown_if_there_is_one():
    assert numbers.published_spread(Entry(TOP1, published=91.0)) == ""
    assert numbers.published_spread(Entry(TOP1, published=91.0, published_std=0.2)) == " ± 0.20"
    assert numbers.published_spread(Entry(TOP1, published=91.0, published_std=0.295)) == " ± 0.295"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(TOP1, published=91.0), "91.00"),
        (Entry(TOP1, published=69.758), "69.758"),
        (Entry(TOP1, published=(91.1 + 91.2 + 91.2) / 3), "91.17"),
        (Entry(TOP1, published=91.0, sign="~"), "~91.00"),
        (Entry(COUNT, published=3.0, sign=">"), ">3"),
        (Entry(TOP1, published_text="8 expansion (threshold)"), "8 expansion (threshold)"),
        (Entry(TOP1), ""),
    ],
    ids=["number", "more-digits", "mean", "figure", "bound", "text", "no-cell"],
)
def test_a_published_number_shows_how_it_is_known(entry, expected):
    assert numbers.published(entry) == expected


@pytest.mark.parametrize(
    ("metric", "difference", "p_value", "expected"),
    [
        (TOP1, 0.5, 0.01, "†"),
        (TOP1, -0.5, 0.05, "\N{DOUBLE DAGGER}"),
        (TOP1, 0.5, 0.051, ""),
        (LOSS, -0.5, 0.01, "†"),
        (LOSS, 0.5, 0.01, "\N{DOUBLE DAGGER}"),
    ],
    ids=["better", "worse", "not", "smaller", "larger"],
)
def test_marks_say_which_side_of_the_baseline_a_mean_is(metric, difference, p_value, expected):
    contrast = Contrast("Welch's t-test", difference, 0.25, p_value)
    assert numbers.significance(Entry(metric, value=1.0, contrast=contrast)) == expected


def test_a_difference_to_the_baseline_has_half_its_interval():
    entry = Entry(TOP1, value=1.0, contrast=Contrast("Welch's t-test", -0.5, 0.256, 0.01))
    assert numbers.contrast(entry) == ("-0.50", " ± 0.26")
    assert numbers.contrast(Entry(TOP1, value=1.0)) == ("", "")
