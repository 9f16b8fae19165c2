"""Options and exit statuses of the command `run`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

EXIT_FAILED = 1
EXIT_INTERRUPTED = 75
EXIT_CTRL_C = 130


@dataclass(frozen=True)
class RunOptions:
    """Options of `kbench run`; see its help.

    Attributes:
        results: Folder of all results.
        only: Filters of the form KEY=GLOB.
        executor: Where cells run.
        jobs: Cells at a time; None for one per GPU, or one.
        processes: Processes on each node that train a cell together, one a GPU.
        nodes: Machines that train a cell together.
        gpus: GPUs to use, separated by commas; None for all that are visible.
        device: `auto`, `cpu` or `cuda`.
        rerun: Which ended cells run again.
        threads: Threads of a cell on each node, divided among its processes; None for the cores
            divided among the jobs.
        fail_fast: Start no further cell once one has failed.
        time_limit_s: Longest run of a cell; None for what the suite says.
        checkpoint_every: Seconds between checkpoints.
        dry_run: Only say what would run.
        wait: Wait until everything that was handed to SLURM has ended.
        resources: Keys of `resources` that the command line gives.
    """

    results: Path
    only: tuple[str, ...] = ()
    executor: str = "local"
    jobs: int | None = None
    processes: int = 1
    nodes: int = 1
    gpus: str | None = None
    device: str = "auto"
    rerun: str | None = None
    threads: int | None = None
    fail_fast: bool = False
    time_limit_s: int | None = None
    checkpoint_every: float = 30.0
    dry_run: bool = False
    wait: bool = False
    resources: Mapping[str, object] = field(default_factory=dict)
