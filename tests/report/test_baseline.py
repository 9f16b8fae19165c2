import pytest
from scipy import stats

from kbench.errors import SuiteError
from kbench.report.baseline import refuse_unknown_baseline
from kbench.report.best import find_best
from kbench.report.collect import collect, collect_cells
from kbench.report.outcome import read_outcomes

# Three seeds each: conv, and what is added to it.
BASE = (90.0, 91.0, 92.0)
ADDED = {"conv": (0, 0, 0), "lc": (2, 2, 3), "niff": (0, 1, -0.5), "njet": (-2, -2.2, -2.1)}


@pytest.fixture
def find(make_suite, results):
    def find(cells, **table):
        spec = make_suite(**table).tables[0]
        return find_best(collect(read_outcomes(cells, results), spec), spec)

    return find


@pytest.fixture
def four_operators(make_cell, write):
    """Return the cells of four operators with three seeds."""
    cells = []
    for operator, added in ADDED.items():
        for seed, (base, more) in enumerate(zip(BASE, added, strict=True)):
            cells.append(make_cell(operator=operator, seed=seed))
            write(cells[-1], {"top1": base + more, "num_params": 7.0, "sigma": more})
    return cells


def test_every_other_operator_is_tested_against_the_baseline(four_operators, find):
    contrasts = find(four_operators, compare="conv").contrasts
    assert {column for _, (column,), _ in contrasts} == {"lc", "niff", "njet"}
    lc = contrasts[("digits",), ("lc",), "top1"]
    interval = stats.ttest_1samp(ADDED["lc"], 0).confidence_interval(0.95)
    assert lc.difference == pytest.approx(7 / 3)
    assert lc.half_width == pytest.approx((interval.high - interval.low) / 2)


def test_p_values_against_a_baseline_are_corrected_step_by_step(four_operators, find):
    single = {name: stats.ttest_1samp(ADDED[name], 0).pvalue for name in ("njet", "lc", "niff")}
    expected = {"njet": 3 * single["njet"], "lc": 2 * single["lc"], "niff": single["niff"]}
    contrasts = find(four_operators, compare={"baseline": "conv"}).contrasts
    found = {column: contrast.p_value for (_, (column,), _), contrast in contrasts.items()}
    assert found == pytest.approx(expected, rel=1e-9)


def test_counts_and_what_has_no_direction_are_not_tested(four_operators, find):
    metrics = ["num_params", "sigma", "top1"]
    contrasts = find(four_operators, compare="conv", metric=metrics).contrasts
    assert {metric for _, _, metric in contrasts} == {"top1"}


def test_without_a_declaration_nothing_is_tested_against_a_baseline(four_operators, find):
    assert not find(four_operators).contrasts


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"compare": "konv"}, r"unknown label 'konv' \(did you mean 'conv'\?\); known: conv, lc"),
        (
            {"compare": "conv", "columns": "dataset.size"},
            "rows and columns have no axis of operator, architecture, recipe",
        ),
    ],
    ids=["label", "axes"],
)
def test_a_baseline_that_is_not_there_is_refused(make_cell, make_suite, table, message):
    spec = make_suite(**table).tables[0]
    points = collect_cells([make_cell("digits", "conv"), make_cell("svhn", "lc")], spec)
    with pytest.raises(SuiteError, match=f"table 'main': compare.baseline: {message}"):
        refuse_unknown_baseline(points, spec)
