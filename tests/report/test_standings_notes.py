import pytest

from kbench.report.build import build_tables
from kbench.report.outcome import read_outcomes


@pytest.fixture
def notes_of(make_suite, results):
    def notes_of(cells, *, paper=None, **table):
        return build_tables(make_suite(paper=paper, **table), read_outcomes(cells, results))[
            0
        ].notes

    return notes_of


def test_spread_and_tests_are_told(make_cell, write, notes_of):
    cells = [make_cell(operator=name, seed=seed) for name in ("conv", "lc") for seed in range(2)]
    for number, cell in enumerate(cells):
        write(cell, 90.0 + number**2)
    spread, best = notes_of(cells)
    assert spread == (
        "mean ± sample standard deviation, n = 2 seeds unless given; without ± a single seed"
    )
    assert best == (
        "bold: best of a row and what is not significantly different from it (two-sided paired"
        " t-test over common seeds, Holm's correction within the row, level 0.05)"
    )


def test_single_seeds_are_told_to_be_untested(make_cell, write, notes_of):
    cells = [make_cell(operator=name) for name in ("conv", "lc")]
    for number, cell in enumerate(cells):
        write(cell, 90.0 + number)
    why = "n = 1, so that no test of significance is possible"
    assert notes_of(cells) == (f"bold: best value of a row; underlined: best of the rest; {why}",)


@pytest.fixture
def three_seeds(make_cell, write):
    """Return cells of which `lc` is better than `conv` by 2, 2 and 3, and `niff` by 0, 1, -0.5."""
    numbers = {"conv": (90, 91, 92), "lc": (92, 93, 95), "niff": (90, 92, 91.5)}
    cells = []
    for operator, values in numbers.items():
        for seed, value in enumerate(values):
            cells.append(make_cell(operator=operator, seed=seed))
            write(cells[-1], float(value))
    return cells


def test_the_test_against_a_baseline_is_told(three_seeds, notes_of):
    notes = notes_of(three_seeds, compare={"baseline": "conv", "intervals": True})
    assert notes[2:] == (
        (
            "† significantly better, \N{DOUBLE DAGGER} significantly worse than conv (two-sided"
            " paired t-test over common seeds, Holm's correction within the row, level 0.05)"
        ),
        (
            "\N{MINUS SIGN} conv: mean difference and half of its 95 % confidence interval, which"
            " is not corrected for the number of comparisons"
        ),
    )


def test_single_seeds_cannot_be_tested_against_a_baseline(make_cell, write, notes_of):
    cells = [make_cell(operator=name) for name in ("conv", "lc")]
    for cell in cells:
        write(cell, 90.0)
    assert notes_of(cells, compare="conv")[-1] == (
        "not tested against conv, which takes two seeds of both"
    )
