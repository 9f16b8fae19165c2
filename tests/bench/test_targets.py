import pytest
import torch

from kbench.bench.forms import FormCost, Settings
from kbench.bench.targets import Target, bench_targets, judge
from kbench.timing import Timing

FAST = FormCost(1, 1, Timing((0.001,) * 3), Timing((0.002,) * 3), 4.0)
SLOW = FormCost(1, 1, Timing((0.003,) * 3), Timing((0.008,) * 3), 8.0)
BEYOND = FormCost(1, 10**12)


@pytest.fixture
def make_target():
    def make(limit=1.0, **changes):
        forms = {"operator": torch.nn.Conv2d(2, 2, 1), "peer": torch.nn.Conv2d(2, 2, 3, padding=1)}
        return Target("lc", "a against b", (2, 5, 5), 2, lambda: forms, limit, **changes)

    return make


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        pytest.param({}, 0.25, id="ratio of steps"),
        pytest.param({"measure": "speed-up"}, 4.0, id="speed-up of steps"),
        pytest.param({"part": "forward"}, 1 / 3, id="ratio of forward passes"),
        pytest.param({"part": "memory"}, 0.5, id="ratio of memory"),
    ],
)
def test_value_compares_the_operator_with_its_peer(make_target, changes, value):
    costs = {"operator": FAST, "peer": SLOW}
    assert make_target(**changes).value(costs) == pytest.approx(value)


@pytest.mark.parametrize(
    ("limit", "measure", "verdict", "text"),
    [
        pytest.param(4.0, "speed-up", "met", ">= 4", id="just fast enough"),
        pytest.param(4.1, "speed-up", "not met", ">= 4.1", id="too slow"),
        pytest.param(0.25, "ratio", "met", "<= 0.25", id="just small enough"),
        pytest.param(0.2, "ratio", "not met", "<= 0.2", id="too large"),
        pytest.param(None, "ratio", "reported", "", id="no limit"),
    ],
)
def test_verdict_follows_the_limit(make_target, limit, measure, verdict, text):
    row = judge(make_target(limit, measure=measure), {"operator": FAST, "peer": SLOW}, Settings())
    assert (row.verdict, row.target) == (verdict, text)
    assert (row.operator_cost, row.peer_cost) == (2.0, 8.0)


@pytest.mark.parametrize("part", ["step", "memory"])
def test_a_number_that_could_not_be_had_meets_nothing(make_target, part):
    row = judge(make_target(part=part), {"operator": FAST, "peer": BEYOND}, Settings())
    assert (row.value, row.verdict, row.peer_cost) == (None, "not met", None)


def test_memory_is_shown_in_mib(make_target):
    row = judge(make_target(part="memory"), {"operator": FAST, "peer": SLOW}, Settings())
    assert (row.operator_cost, row.peer_cost, row.value) == (4.0, 8.0, 0.5)


@pytest.mark.parametrize("part", ["forward", "step", "memory"])
def test_targets_are_measured_at_their_own_batch_size(make_target, part):
    told = []
    (row,) = bench_targets([make_target(1e9, part=part)], Settings(repetitions=1), told.append)
    assert (row.batch_size, row.shape, row.part, row.verdict) == (2, "2x5x5", part, "met")
    assert told == ["lc: a against b, batch 2"]
