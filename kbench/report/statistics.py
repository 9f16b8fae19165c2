"""Statistics of seeds: mean and spread, tests between points, noise around a published number.

Samples are mappings from seed to value, so that two of them can be paired. `scipy` is imported on
first use: tables without repeated seeds do not need it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from kbench.metrics import Direction

LEVEL = 0.05
Sample = Mapping[int, float]
TestName = Literal["paired t-test over common seeds", "Welch's t-test"]


@dataclass(frozen=True)
class Summary:
    """Mean of a sample.

    Attributes:
        mean: Arithmetic mean.
        std: Sample standard deviation, with n - 1 below; None for a single value.
        n: Size of the sample.
    """

    mean: float
    std: float | None
    n: int


@dataclass(frozen=True)
class Contrast:
    """How far one mean is from another.

    Attributes:
        test: How the two were compared.
        difference: First mean minus the second; over the common seeds if the test is paired.
        half_width: Half the width of the 95 % confidence interval of the difference.
        p_value: Two-sided; without any spread 1 for equal means and 0 otherwise.
    """

    test: TestName
    difference: float
    half_width: float
    p_value: float


@dataclass(frozen=True)
class Ranking:
    """Which samples of a block are best.

    Attributes:
        best: Indices of the best mean and of what is not significantly different from it.
        second: Indices of the best mean of the rest; several where they are equal.
        tests: Tests that were used.
        untested: Whether a sample could not be tested, as it or the best has a single seed.
    """

    best: frozenset[int]
    second: frozenset[int]
    tests: frozenset[TestName]
    untested: bool


def summarise(values: Iterable[float]) -> Summary | None:
    """Return mean, spread and size; None without values."""
    sample = list(values)
    n = len(sample)
    if n == 0:
        return None
    mean = math.fsum(sample) / n
    if n == 1:
        return Summary(mean, None, 1)
    squares = math.fsum((value - mean) ** 2 for value in sample)
    return Summary(mean, math.sqrt(squares / (n - 1)), n)


def paired_differences(first: Sample, second: Sample) -> dict[int, float]:
    """Return first - second for every seed that both have."""
    return {seed: value - second[seed] for seed, value in first.items() if seed in second}


def paired_ratios(first: Sample, second: Sample) -> dict[int, float]:
    """Return first / second for every seed that both have and of which second is not 0."""
    return {seed: value / second[seed] for seed, value in first.items() if second.get(seed)}


def compare(first: Sample, second: Sample) -> Contrast | None:
    """Test whether two means differ.

    The test is paired if at least two seeds are common, and Welch's otherwise.

    Returns:
        What was found; None if neither test is possible, which needs two seeds on each side.
    """
    differences = paired_differences(first, second)
    if len(differences) > 1:
        n = len(differences)
        summary = _summary(differences.values())
        variance = _variance(summary) / n
        return _contrast("paired t-test over common seeds", summary.mean, variance, n - 1)
    if len(first) < 2 or len(second) < 2:
        return None
    a, b = _summary(first.values()), _summary(second.values())
    return _contrast("Welch's t-test", a.mean - b.mean, *welch(a, b))


def _contrast(test: TestName, difference: float, variance: float, dof: float) -> Contrast:
    half_width = quantile(dof) * math.sqrt(variance)
    return Contrast(test, difference, half_width, _two_sided(difference, variance, dof))


def welch(first: Summary, second: Summary) -> tuple[float, float]:
    """Return variance and Welch-Satterthwaite degrees of freedom of a difference of two means."""
    a, b = _variance(first) / first.n, _variance(second) / second.n
    if a + b == 0:
        return 0.0, 1.0
    # Shares instead of variances: their squares do not underflow.
    share = a / (a + b)
    return a + b, 1 / (share**2 / (first.n - 1) + (1 - share) ** 2 / (second.n - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down method, in the order given."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    ascending = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, index in enumerate(ascending):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def rank(samples: Sequence[Sample], direction: Direction) -> Ranking:
    """Find the best samples of a block, and the second best.

    Args:
        samples: None of them empty.
        direction: Which way is better; with `none`, or fewer than two samples, nothing is best.
    """
    if direction == "none" or len(samples) < 2:
        return Ranking(frozenset(), frozenset(), frozenset(), untested=False)
    sign = 1 if direction == "max" else -1
    means = [sign * _summary(sample.values()).mean for sample in samples]
    top = means.index(max(means))
    results = {i: compare(samples[top], sample) for i, sample in enumerate(samples) if i != top}
    tested = {index: result for index, result in results.items() if result is not None}
    best = _equal(means, means[top]) | _insignificant(tested)
    runner_up = max((mean for i, mean in enumerate(means) if i not in best), default=math.nan)
    tests = frozenset(contrast.test for contrast in tested.values())
    second = _equal(means, runner_up) - best
    return Ranking(best, second, tests, untested=len(tested) < len(results))


def noise(measured: Summary, published_std: float | None, published_n: int | None) -> float | None:
    """Return half the width of the 95 % interval in which the published mean is seed noise.

    - Both sides have a standard deviation and n > 1: the interval of Welch's test for equal means.
    - Only the measured side has: the prediction interval for the mean of `published_n` further
      runs, and of one run where the paper does not say how many.
    - Only the published side has: the prediction interval of the paper for one further run.
    - Neither has: None, there is no estimate of the noise.
    """
    theirs = None
    if published_std is not None and published_n is not None and published_n > 1:
        theirs = Summary(0.0, published_std, published_n)
    if measured.n > 1 and theirs is not None:
        variance, dof = welch(measured, theirs)
        return quantile(dof) * math.sqrt(variance)
    if measured.n > 1:
        further = 1 / measured.n + 1 / (published_n or 1)
        return quantile(measured.n - 1) * math.sqrt(_variance(measured) * further)
    if theirs is not None:
        return quantile(theirs.n - 1) * math.sqrt(_variance(theirs) * (1 + 1 / theirs.n))
    return None


@cache
def quantile(dof: float) -> float:
    """Return the 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, 1 - LEVEL / 2))


def _two_sided(difference: float, variance: float, dof: float) -> float:
    if variance == 0:
        return 1.0 if difference == 0 else 0.0
    from scipy.special import stdtr

    return 2 * float(stdtr(dof, -abs(difference) / math.sqrt(variance)))


def _summary(values: Iterable[float]) -> Summary:
    summary = summarise(values)
    if summary is None:
        message = "a sample is empty"
        raise ValueError(message)
    return summary


def _variance(summary: Summary) -> float:
    return 0.0 if summary.std is None else summary.std**2


def _insignificant(tested: Mapping[int, Contrast]) -> frozenset[int]:
    adjusted = holm([contrast.p_value for contrast in tested.values()])
    return frozenset(i for i, p_value in zip(tested, adjusted, strict=True) if p_value > LEVEL)


def _equal(means: Sequence[float], wanted: float) -> frozenset[int]:
    return frozenset(index for index, mean in enumerate(means) if mean == wanted)
