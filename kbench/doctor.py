"""What works on this machine."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from kbench.environment import describe_environment
from kbench.errors import DatasetError
from kbench.formats import format_table
from kbench.machine import count_cores, data_root, find_gpus

PROGRAMS = {"sbatch": "SLURM", "torchrun": "several GPUs in a cell", "pdflatex": "compiled tables"}


def format_diagnosis() -> str:
    """Return a line for everything that a run may need."""
    return format_table(("what", "state", "detail"), diagnose())


def diagnose() -> Iterator[tuple[str, str, str]]:
    """Yield what was looked at, `ok` or `missing`, and details."""
    environment = describe_environment()
    for name, version in environment["versions"].items():
        yield name, "ok" if version else "missing", version or f"pip install {name}"
    commit = environment["commit"]
    dirty = ", with changes" if commit["dirty"] else ""
    yield "commit", "ok" if commit["hash"] else "missing", f"{commit['hash']}{dirty}"
    yield "cpu", "ok", f"{environment['cpu']}, {count_cores()} cores usable"
    yield "memory", "ok", f"{environment['memory_mib']:,} MiB"
    gpus = find_gpus()
    yield "gpu", "ok" if gpus else "missing", ", ".join(gpus) or "cells run on the CPU"
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for program, use in PROGRAMS.items():
        path = shutil.which(program, path=folders)
        yield program, "ok" if path else "missing", use
    free = shutil.disk_usage(Path.cwd()).free // 2**30
    yield "disk", "ok", f"{free:,} GiB free here"
    yield "data", "ok" if data_root().is_dir() else "missing", f"{data_root()} (KBENCH_DATA)"
    if importlib.util.find_spec("torch") is not None:
        yield from _diagnose_data()


def _diagnose_data() -> Iterator[tuple[str, str, str]]:
    from kbench.datasets import build_dataset
    from kbench.registry import DATASETS

    for name in DATASETS:
        try:
            build_dataset(name).verify()
        except DatasetError as error:
            yield f"data {name}", "missing", str(error)
        else:
            yield f"data {name}", "ok", "complete and verified"
