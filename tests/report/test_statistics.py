import math

import pytest
from scipy import stats

from kbench.report import statistics
from kbench.report.statistics import Summary

A = {0: 92.1, 1: 91.4, 2: 93.3, 3: 90.8}
B = {0: 90.9, 1: 91.0, 2: 91.7, 3: 90.1}
ELSEWHERE = {10: 90.9, 11: 91.0, 12: 91.7}


def sample(*values):
    return dict(enumerate(values))


def test_summary_has_the_standard_deviation_of_a_sample():
    # Squared deviations from 5 add up to 32; 32 / (8 - 1).
    summary = statistics.summarise([2, 4, 4, 4, 5, 5, 7, 9])
    assert summary.mean == 5
    assert summary.std == pytest.approx(math.sqrt(32 / 7), rel=1e-15)
    assert summary.n == 8


def test_one_value_has_no_standard_deviation():
    assert statistics.summarise([91.5]) == Summary(91.5, None, 1)


def test_no_value_has_no_summary():
    assert statistics.summarise([]) is None


def test_paired_p_value_has_its_closed_form_for_three_seeds():
    # Differences 1, 2, 3: t = 2 sqrt(3), and p = 1 - t / sqrt(2 + t^2) with two degrees of freedom.
    found = statistics.compare(sample(1, 2, 3), sample(0, 0, 0))
    assert found.test == "paired t-test over common seeds"
    assert found.p_value == pytest.approx(1 - 2 * math.sqrt(3 / 14), rel=1e-12)


def test_paired_test_is_that_of_scipy():
    expected = stats.ttest_rel(list(A.values()), list(B.values())).pvalue
    assert statistics.compare(A, B).p_value == pytest.approx(expected, rel=1e-12)


def test_only_common_seeds_are_paired():
    expected = stats.ttest_rel([92.1, 93.3], [90.9, 91.7]).pvalue
    partial = {0: 90.9, 2: 91.7, 7: 50.0}
    assert statistics.compare(A, partial).p_value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("other", [ELSEWHERE, {0: 90.9, 11: 91.0, 12: 91.7}], ids=["none", "one"])
def test_welch_is_used_where_fewer_than_two_seeds_are_common(other):
    expected = stats.ttest_ind(list(A.values()), list(other.values()), equal_var=False).pvalue
    found = statistics.compare(A, other)
    assert found.test == "Welch's t-test"
    assert found.p_value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("other", [B, ELSEWHERE], ids=["paired", "welch"])
def test_the_interval_of_a_difference_is_that_of_scipy(other):
    samples = list(A.values()), list(other.values())
    paired = other is B
    test = stats.ttest_rel(*samples) if paired else stats.ttest_ind(*samples, equal_var=False)
    interval = test.confidence_interval(0.95)
    found = statistics.compare(A, other)
    assert found.difference - found.half_width == pytest.approx(interval.low, rel=1e-12)
    assert found.difference + found.half_width == pytest.approx(interval.high, rel=1e-12)


def test_one_seed_cannot_be_tested():
    assert statistics.compare(A, {9: 80.0}) is None


@pytest.mark.parametrize(("value", "p_value"), [(5.0, 1.0), (6.0, 0.0)], ids=["same", "other"])
@pytest.mark.parametrize("first_seed", [0, 10], ids=["paired", "welch"])
def test_without_spread_only_equal_means_are_alike(value, p_value, first_seed):
    other = {first_seed: value, first_seed + 1: value}
    assert statistics.compare({0: 5.0, 1: 5.0}, other).p_value == p_value


def test_holm_multiplies_step_by_step_and_never_falls():
    # 3 * 0.01; 2 * 0.03; 1 * 0.04, raised to the step before.
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_stops_at_one():
    assert statistics.holm([0.7, 0.9]) == [1.0, 1.0]


def test_what_does_not_differ_from_the_best_is_best_too():
    # Differences to the best 2, 2, 3 (p = 0.0198) and 0, 1, -0.5 (p > 0.6).
    ranking = statistics.rank([sample(90, 91, 92), sample(92, 93, 95), sample(92, 92, 95.5)], "max")
    assert ranking.best == {1, 2}
    assert ranking.second == {0}
    assert not ranking.untested


def test_holm_makes_a_difference_insignificant():
    # p = 0.0198 counts twice when two others are compared, and exceeds 0.05 with three.
    best, other = sample(92, 93, 95), sample(90, 91, 92)
    assert statistics.rank([best, other, other], "max").best == {0}
    assert statistics.rank([best, other, other, other], "max").best == {0, 1, 2, 3}


def test_smaller_is_better_for_a_metric_to_be_minimised():
    ranking = statistics.rank([sample(3.0), sample(1.0), sample(2.0)], "min")
    assert (ranking.best, ranking.second) == ({1}, {2})


def test_single_seeds_leave_only_the_best_values_and_say_so():
    ranking = statistics.rank([sample(1.0), sample(2.0), sample(2.0), sample(0.5)], "max")
    assert (ranking.best, ranking.second) == ({1, 2}, {0})
    assert ranking.untested
    assert not ranking.tests


@pytest.mark.parametrize(
    ("samples", "direction"),
    [([sample(1.0), sample(2.0)], "none"), ([sample(1.0)], "max"), ([], "max")],
    ids=["no-direction", "alone", "empty"],
)
def test_nothing_is_best_without_a_direction_or_a_rival(samples, direction):
    ranking = statistics.rank(samples, direction)
    assert not ranking.best | ranking.second


def test_quantile_has_its_closed_form_for_one_degree_of_freedom():
    assert statistics.quantile(1) == pytest.approx(math.tan(0.475 * math.pi), rel=1e-12)


def test_noise_of_both_sides_is_the_interval_of_welch():
    # Variances 1/3 and 4/3; (5/3)^2 / ((1/3)^2 / 2 + (4/3)^2 / 2) = 50/17 degrees of freedom.
    expected = stats.t.ppf(0.975, 50 / 17) * math.sqrt(5 / 3)
    assert statistics.noise(Summary(0, 1.0, 3), 2.0, 3) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("std", "runs", "further"),
    [(None, 4, 1 / 4), (None, None, 1), (2.0, None, 1), (2.0, 1, 1)],
    ids=["four-runs", "unknown-runs", "spread-of-unknown-runs", "spread-of-one-run"],
)
def test_noise_of_ours_is_the_prediction_interval_of_their_runs(std, runs, further):
    expected = stats.t.ppf(0.975, 2) * math.sqrt(1 / 3 + further)
    assert statistics.noise(Summary(0, 1.0, 3), std, runs) == pytest.approx(expected, rel=1e-12)


def test_noise_of_theirs_is_the_prediction_interval_of_one_run():
    expected = stats.t.ppf(0.975, 2) * 2 * math.sqrt(1 + 1 / 3)
    assert statistics.noise(Summary(0, None, 1), 2.0, 3) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("std", "runs"), [(None, 4), (2.0, 1), (2.0, None)], ids=str)
def test_one_seed_and_no_published_spread_have_no_noise(std, runs):
    assert statistics.noise(Summary(0, None, 1), std, runs) is None
