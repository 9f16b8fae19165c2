import pytest

from kbench.errors import UnknownNameError
from kbench.metrics import METRICS, find_metric


@pytest.mark.parametrize(
    ("name", "unit", "direction", "decimals"),
    [
        ("top1", "percent", "max", 2),
        ("loss", "nats", "min", 4),
        ("num_params", "", "min", 0),
        ("images_per_s", "1/s", "max", 0),
        ("peak_memory_mib", "MiB", "min", 0),
        ("wall_s", "s", "min", 1),
    ],
    ids=str,
)
def test_a_metric_says_what_a_number_means(name, unit, direction, decimals) -> None:
    metric = find_metric(name)
    assert (metric.unit, metric.direction, metric.decimals) == (unit, direction, decimals)


def test_an_unknown_metric_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown metric 'top_1' \(did you mean 'top1'\?\)"):
        find_metric("top_1")


@pytest.mark.parametrize("name", METRICS, ids=str)
def test_every_metric_is_known_by_its_own_name_and_explained(name) -> None:
    assert METRICS[name].name == name
    assert METRICS[name].summary


@pytest.mark.parametrize(
    ("suffix", "unit"), [("_mib", "MiB"), ("_per_s", "1/s"), ("top1", "percent")], ids=str
)
def test_names_end_in_their_unit(suffix, unit) -> None:
    assert {METRICS[name].unit for name in METRICS if name.endswith(suffix)} == {unit}
