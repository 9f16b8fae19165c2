"""What `kbench bench operators` measures for its options."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from kbench.bench.forms import Circumstances, Precision, Settings
from kbench.bench.operators import (
    NETWORK_EXPANSIONS,
    Case,
    bench_operators,
    network_cases,
    operator_cases,
)
from kbench.bench.shapes import SHAPE_SETS, ShapeSet
from kbench.bench.target_list import operator_targets
from kbench.bench.targets import bench_targets
from kbench.errors import UnsupportedError
from kbench.timing import Clock


@dataclass(frozen=True, kw_only=True)
class OperatorsOptions:
    """Options of the command.

    Attributes:
        names: Operators, all if empty.
        shapes: A set of shapes, or all of them.
        networks: Whether whole networks are measured instead of single layers.
        targets: Whether the targets are measured instead; they have their own batch sizes.
        device: As for `Settings`, as all that follow.
    """

    names: tuple[str, ...] = ()
    shapes: ShapeSet | Literal["all"] = "all"
    networks: bool = False
    targets: bool = False
    device: str = "cpu"
    precision: Precision = "fp32"
    channels_last: bool = False
    compiled: bool = False
    batch_size: int = 8
    repetitions: int = 9
    clock: Clock = "wall"

    def settings(self) -> Settings:
        """Return how to measure.

        Raises:
            UnsupportedError: If this machine has no such device.
        """
        kind = self.device.partition(":")[0]
        if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
            message = f"device {self.device!r} is not there; cpu always is, cuda with a GPU"
            raise UnsupportedError(message)
        return Settings(
            device=self.device,
            precision=self.precision,
            channels_last=self.channels_last,
            compiled=self.compiled,
            batch_size=self.batch_size,
            repetitions=self.repetitions,
            clock=self.clock,
        )

    def cases(self) -> Iterator[Case]:
        """Return what is measured if it is not targets."""
        if self.networks:
            return network_cases("lc", "expansion", NETWORK_EXPANSIONS)
        sets: Sequence[ShapeSet] = get_args(ShapeSet) if self.shapes == "all" else (self.shapes,)
        shapes = [shape for name in sets for shape in SHAPE_SETS[name]]
        return operator_cases(self.names, shapes, self.batch_size)


def run_operators_bench(
    options: OperatorsOptions, on_case: Callable[[str], None]
) -> Sequence[Circumstances]:
    """Measure what the options say; return rows for a table.

    Raises:
        UnknownNameError: If there is no such operator.
        UnsupportedError: If there is no such device, or nothing that the options allow.
    """
    settings = options.settings()
    if options.targets:
        targets = [t for t in operator_targets() if t.operator in (options.names or (t.operator,))]
        rows: Sequence[Circumstances] = bench_targets(targets, settings, on_case)
    else:
        rows = bench_operators(options.cases(), settings, on_case)
    if not rows:
        message = f"operators {list(options.names)} have nothing to measure for these options"
        raise UnsupportedError(message)
    return rows
