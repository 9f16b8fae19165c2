"""Where cells run: cores, GPUs, data. Free of torch."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Machine:
    """Where and how a cell runs; changes no result.

    Attributes:
        data_root: Folder of the datasets.
        device: Torch device.
        threads: Threads of a torch operation.
        checkpoint_interval_s: Seconds between checkpoints.
        devices: Processes on each node that train a cell together, one a GPU.
        nodes: Machines that train a cell together.
        reuse: Whether results of equal cells, of other suites as well, are taken over.
        environment: What the record says of versions and hardware.
    """

    data_root: Path
    device: str = "cpu"
    threads: int = 1
    checkpoint_interval_s: float = 30.0
    devices: int = 1
    nodes: int = 1
    reuse: bool = True
    environment: Mapping[str, Any] = field(default_factory=dict)


DATA_VARIABLE = "KBENCH_DATA"


def data_root() -> Path:
    """Return the folder that `KBENCH_DATA` names, else `data` in the working directory."""
    return Path(os.environ.get(DATA_VARIABLE) or "data")


def count_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def default_threads(jobs: int) -> int:
    """Return the cores divided among the jobs, or less if `OMP_NUM_THREADS` says so."""
    share = max(1, count_cores() // jobs)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(limit)) if limit.isdigit() and int(limit) > 0 else share


def find_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = (name.strip() for name in visible.split(","))
        # CUDA reads up to the first name that is no device; -1 is the usual one.
        return tuple(takewhile(lambda name: name not in ("", "-1"), names))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=index", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    return tuple(result.stdout.split()) if result.returncode == 0 else ()
