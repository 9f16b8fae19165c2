"""Resources of a cell: those of all sources laid over each other, complete with defaults."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kbench.errors import ExecutorError
from kbench.resources_file import ResourcesSpec


@dataclass(frozen=True)
class Resources:
    """What a cell needs of a cluster; see `ResourcesSpec` for the fields but the last.

    None stands for what is left to the cluster.

    Attributes:
        time_limit: Seconds after which a cell has failed; None for no limit.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: int | None = None
    grace: int = 120
    devices: int = 0
    nodes: int = 1
    cpus: int | None = None
    memory: str | None = None
    max_parallel: int | None = None
    max_submit: int | None = None
    cells_per_task: int = 1
    requeues: int = 10
    sbatch: tuple[tuple[str, bool | int | str], ...] = ()
    setup: tuple[str, ...] = ()
    container: str | None = None
    time_limit: int | None = None

    def sbatch_options(self) -> dict[str, bool | int | str | None]:
        """Return options of sbatch in long form, without dashes; extra ones replace others."""
        own: dict[str, bool | int | str | None] = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "time": None if self.time is None else format_time(self.time),
            "nodes": self.nodes,
            "ntasks": self.nodes,
            "gpus-per-node": self.devices // self.nodes or None,
            "cpus-per-task": self.cpus,
            "mem": self.memory,
        }
        return own | dict(self.sbatch)


def resolve_resources(sources: Sequence[ResourcesSpec]) -> Resources:
    """Return the resources that sources say together, the first one on top.

    Options of sbatch are merged one by one; setup lines are those of all sources, the last first.

    Raises:
        ExecutorError: If they contradict each other.
    """
    found: dict[str, Any] = {}
    for source in reversed(sources):
        found |= {key: item for key, item in dict(source).items() if item is not None}
    found["sbatch"] = tuple(
        {key: item for source in reversed(sources) for key, item in source.sbatch.items()}.items()
    )
    found["setup"] = tuple(line for source in reversed(sources) for line in source.setup)
    resources = Resources(**found)
    if resources.devices % resources.nodes:
        message = (
            f"devices {resources.devices}, nodes {resources.nodes}: "
            "the GPUs of a cell are divided equally among its nodes"
        )
        raise ExecutorError(message)
    if resources.time is not None and resources.time <= resources.grace:
        message = (
            f"time {format_time(resources.time)}, grace {format_time(resources.grace)}: "
            "a cell is told to save that long before its time is over; give it more time"
        )
        raise ExecutorError(message)
    return resources


def format_time(seconds: int) -> str:
    """Return seconds as SLURM writes them, HH:MM:SS."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"
