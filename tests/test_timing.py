import itertools

import pytest
import torch

from kbench import timing
from kbench.timing import Timing, time_in_turns

CPU = torch.device("cpu")


@pytest.fixture
def one_call_a_turn(monkeypatch):
    monkeypatch.setattr(timing, "LEAST_TURN_S", 0.0)


def test_median_and_quartiles_are_those_of_the_rounds():
    timing = Timing((0.005, 0.001, 0.003, 0.002, 0.004))
    assert timing.median_ms == pytest.approx(3.0)
    assert timing.quartiles_ms == pytest.approx((2.0, 4.0))


def test_one_round_has_no_spread():
    assert Timing((0.25,)).quartiles_ms == (250.0, 250.0)


def test_ratio_pairs_the_rounds():
    """A slow phase of the machine in the last round meets both and leaves no trace."""
    own, other = Timing((2.0, 4.0, 100.0)), Timing((1.0, 2.0, 50.0))
    assert own.ratio_to(other) == 2.0
    assert other.ratio_to(own) == 0.5


def test_ratio_of_different_numbers_of_rounds_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        Timing((1.0, 2.0)).ratio_to(Timing((1.0,)))


@pytest.mark.usefixtures("one_call_a_turn")
def test_calls_take_turns_and_who_begins_changes():
    made = []
    calls = {name: lambda name=name: made.append(name) for name in "abc"}
    timings = time_in_turns(calls, rounds=3, device=CPU)
    warm_up = 3 * (timing.WARM_UP_CALLS + 1)
    assert "".join(made[warm_up:]) == "abcbcacab"
    assert [len(timing.rounds) for timing in timings.values()] == [3, 3, 3]


@pytest.mark.usefixtures("one_call_a_turn")
def test_warm_up_is_not_timed(monkeypatch):
    clock = itertools.count()
    reads = []
    monkeypatch.setitem(timing.CLOCKS, "cpu", lambda: reads.append(1) or next(clock))
    timings = time_in_turns({"a": lambda: None}, rounds=2, device=CPU, clock="cpu")
    assert timings["a"].rounds == (1.0, 1.0)
    assert len(reads) == 4


def test_a_short_call_is_repeated_within_its_turn(monkeypatch):
    clock = itertools.count(step=50)
    monkeypatch.setitem(timing.CLOCKS, "cpu", lambda: next(clock))
    made = []
    calls = {"a": lambda: made.append(1)}
    timings = time_in_turns(calls, rounds=1, device=CPU, clock="cpu")
    calls_of_turn = len(made) - timing.WARM_UP_CALLS - 1
    assert 1 < calls_of_turn <= timing.MAX_CALLS
    assert timings["a"].rounds == (50 / calls_of_turn,)


@pytest.mark.usefixtures("one_call_a_turn")
def test_beyond_the_limit_of_time_three_rounds_are_made():
    timings = time_in_turns({"a": lambda: None}, rounds=9, device=CPU, limit_s=0.0)
    assert len(timings["a"].rounds) == timing.LEAST_ROUNDS
