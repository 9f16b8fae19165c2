import pytest

from kbench.errors import UnknownNameError
from kbench.report.collect import Point
from kbench.report.outcome import Outcome
from kbench.report.quantity import find_quantities, plain, with_part


@pytest.fixture
def point(make_cell):
    values = [{"top1": 90.0, "train_top1": 99.0, "sigma.layer1": 0.5}, {"top1": 92.0}]
    outcomes = [Outcome(make_cell(seed=seed), "ok", "", own) for seed, own in enumerate(values)]
    return Point(("digits",), ("conv",), tuple(outcomes))


def test_a_part_stands_behind_the_base():
    assert with_part("pca_ratio.v0", "layer1") == "pca_ratio.layer1.v0"
    assert with_part("top1", "epoch3") == "top1.epoch3"
    assert with_part("top1", "") == "top1"


def test_a_metric_of_a_part_is_read(point):
    assert plain("sigma").sample(point, "layer1") == {0: 0.5}


@pytest.mark.parametrize(
    ("operation", "expected"), [("minus", 9.0), ("over", 1.1)], ids=["minus", "over"]
)
def test_two_metrics_are_combined_seed_by_seed(make_suite, point, operation, expected):
    derived = [{"label": "gap", "metric": "train_top1", operation: "top1"}]
    quantity = find_quantities(make_suite(derived=derived).tables[0])[1]
    # 99 - 90 and 99 / 90, of the one seed that has both.
    assert quantity.sample(point) == {0: pytest.approx(expected, rel=1e-12)}


def test_a_ratio_has_no_unit_and_its_own_name(make_suite):
    derived = [{"label": "gap", "metric": "train_top1", "over": "top1"}]
    metric = find_quantities(make_suite(derived=derived).tables[0])[1].metric
    assert (metric.name, metric.unit, metric.direction) == ("gap", "", "max")


def test_an_unknown_operand_is_refused(make_suite):
    spec = make_suite(derived=[{"label": "x", "metric": "top1", "minus": "top2"}]).tables[0]
    with pytest.raises(UnknownNameError, match="unknown metric 'top2'"):
        find_quantities(spec)
