"""Time of calls that take turns, so that what else the machine does meets all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

Call = Callable[[], object]
Clock = Literal["wall", "cpu"]

CLOCKS: dict[Clock, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
WARM_UP_CALLS = 2
LEAST_TURN_S = 0.01
MAX_CALLS = 100
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, a number per round of turns.

    Attributes:
        rounds: At least one; the numbers of two timings belong together by their place.
    """

    rounds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.rounds) * 1e3

    @property
    def quartiles_ms(self) -> tuple[float, float]:
        """Return the lower and the upper quartile over the rounds."""
        if len(self.rounds) == 1:
            return self.median_ms, self.median_ms
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return low * 1e3, high * 1e3

    def ratio_to(self, other: "Timing") -> float:
        """Return this time over the other: the median of the ratios within a round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return statistics.median(own / others for own, others in pairs)


def time_in_turns(
    calls: Mapping[str, Call],
    *,
    rounds: int,
    device: torch.device,
    clock: Clock = "wall",
    limit_s: float = 60.0,
) -> dict[str, Timing]:
    """Time calls in rounds; in each, every call has a turn of at least 10 ms or 100 calls.

    Every call is first made twice to warm up and once more to learn how many make a turn. The
    device is synchronised before the clock is read. Who begins changes from round to round.

    Args:
        calls: What to time, by name.
        rounds: Rounds to measure.
        device: Where the calls work.
        clock: `wall`, or `cpu` for the CPU time of all threads of this process, which on a busy
            machine says more about the CPU's own work; it does not see other devices.
        limit_s: After this time no further round begins, but there are at least three.
    """
    read = CLOCKS[clock]
    counts = {name: _calls_of_a_turn(call, device) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names, begun = list(calls), time.perf_counter()
    for number in range(rounds):
        if number >= LEAST_ROUNDS and time.perf_counter() - begun > limit_s:
            break
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = read()
            for _ in range(counts[name]):
                calls[name]()
            _synchronise(device)
            seconds[name].append((read() - start) / counts[name])
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def _calls_of_a_turn(call: Call, device: torch.device) -> int:
    for _ in range(WARM_UP_CALLS):
        call()
    _synchronise(device)
    start = time.perf_counter()
    call()
    _synchronise(device)
    once = max(time.perf_counter() - start, 1e-9)
    return min(max(1, round(LEAST_TURN_S / once)), MAX_CALLS)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
