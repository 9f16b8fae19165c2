"""The operators' targets of speed and memory, each measured and compared with its limit."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from kbench.bench.forms import Circumstances, FormCost, Part, Settings, measure_forms

Forms = Mapping[str, nn.Module]
Measure = Literal["speed-up", "ratio"]


@dataclass(frozen=True)
class Target:
    """One number that an operator has to reach.

    Attributes:
        operator: Its name.
        what: What is compared with what.
        shape: Shape of one input.
        batch_size: Inputs in a batch.
        build: Makes the two forms, `operator` and `peer`.
        limit: The limit; None if the number is only reported.
        measure: `speed-up` is the peer's time over the operator's and has to reach the limit; the
            `ratio` is the operator's number over the peer's and must not exceed it.
        part: Which time or memory counts.
    """

    operator: str
    what: str
    shape: tuple[int, ...]
    batch_size: int
    build: Callable[[], Forms]
    limit: float | None
    measure: Measure = "ratio"
    part: Part = "step"

    def value(self, costs: Mapping[str, FormCost]) -> float | None:
        """Return the number, from the costs of the two forms; None if one could not be had."""
        own, peer = costs["operator"], costs["peer"]
        if self.part == "memory":
            return None if not (own.peak_mib and peer.peak_mib) else own.peak_mib / peer.peak_mib
        first, second = getattr(own, self.part), getattr(peer, self.part)
        if first is None or second is None:
            return None
        if self.measure == "speed-up":
            return second.ratio_to(first)
        return first.ratio_to(second)

    def is_met(self, value: float | None) -> bool:
        """Return whether the number keeps the limit; one that could not be had does not."""
        if self.limit is None:
            return True
        if value is None:
            return False
        return value >= self.limit if self.measure == "speed-up" else value <= self.limit


@dataclass(frozen=True, kw_only=True)
class TargetResult(Circumstances):
    """What was measured for one target.

    Attributes:
        operator: Its name.
        what: What is compared with what.
        shape: Channels and sides of the input.
        batch_size: Inputs in a batch.
        part: `step` (forward and backward pass), `forward` (evaluation) or `memory` (peak of a
            step).
        operator_cost: Median milliseconds, or MiB.
        peer_cost: Likewise, of what it is compared with.
        measure: How the value is made from the two, see `Target`.
        value: The number, for times the median over the rounds of turns.
        target: The limit.
        verdict: `met`, `not met` or, without a limit, `reported`.
    """

    operator: str
    what: str
    shape: str
    batch_size: int
    part: str
    operator_cost: float | None
    peer_cost: float | None
    measure: str
    value: float | None
    target: str
    verdict: str


def bench_targets(
    targets: Iterable[Target], settings: Settings, on_case: Callable[[str], None] = lambda _: None
) -> list[TargetResult]:
    """Measure targets, each with its own batch size.

    Args:
        targets: What to measure.
        settings: How to measure.
        on_case: Told of every target before it is measured.
    """
    results = []
    for target in targets:
        on_case(f"{target.operator}: {target.what}, batch {target.batch_size}")
        given = settings.with_batch(target.batch_size)
        costs = measure_forms(target.build(), target.shape, given, parts=(target.part,))
        results.append(judge(target, costs, given))
    return results


def judge(target: Target, costs: Mapping[str, FormCost], settings: Settings) -> TargetResult:
    """Return the row of one target."""
    value = target.value(costs)
    sign = ">=" if target.measure == "speed-up" else "<="
    verdict = "met" if target.is_met(value) else "not met"
    return TargetResult(
        operator=target.operator,
        what=target.what,
        shape="x".join(map(str, target.shape)),
        batch_size=target.batch_size,
        part=target.part,
        operator_cost=_cost(costs["operator"], target.part),
        peer_cost=_cost(costs["peer"], target.part),
        measure=target.measure,
        value=value,
        target="" if target.limit is None else f"{sign} {target.limit:g}",
        verdict="reported" if target.limit is None else verdict,
        **settings.describe(),
    )


def _cost(cost: FormCost, part: Part) -> float | None:
    if part == "memory":
        return cost.peak_mib
    timing = cost.forward if part == "forward" else cost.step
    return None if timing is None else timing.median_ms
