"""What works on this machine."""

import ctypes
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

from kbench.environment import describe_environment
from kbench.errors import DatasetError, ExecutorError
from kbench.executors.slurm_commands import call
from kbench.formats import format_table
from kbench.machine import count_cores, data_root, find_gpus
from kbench.storage import FFCV_INSTALLATION

PROGRAMS = {"sbatch": "SLURM", "torchrun": "several GPUs in a cell", "pdflatex": "compiled tables"}


def format_diagnosis() -> str:
    """Return a line for everything that a run may need."""
    return format_table(("what", "state", "detail"), diagnose())


def diagnose() -> Iterator[tuple[str, str, str]]:
    """Yield what was looked at, `ok` or `missing`, and details."""
    environment = describe_environment()
    for name, version in environment["versions"].items():
        yield _diagnose_package(name, version)
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
    yield from _diagnose_slurm()
    free = shutil.disk_usage(Path.cwd()).free // 2**30
    yield "disk", "ok", f"{free:,} GiB free here"
    yield "data", "ok" if data_root().is_dir() else "missing", f"{data_root()} (KBENCH_DATA)"
    if importlib.util.find_spec("torch") is not None:
        yield from _diagnose_data()


def _diagnose_package(name: str, version: str | None) -> tuple[str, str, str]:
    if name == "ffcv":
        return _diagnose_ffcv(version)
    return name, "ok" if version else "missing", version or f"pip install {name}"


def _diagnose_ffcv(version: str | None) -> tuple[str, str, str]:
    """Load FFCV's library, which needs those of the system; its import takes seconds."""
    if version is None:
        return "ffcv", "missing", FFCV_INSTALLATION
    libraries = [file for file in files("ffcv") or () if file.name.startswith("_libffcv")]
    try:
        for library in libraries:
            ctypes.CDLL(str(library.locate()))
    except OSError as error:
        return "ffcv", "missing", f"{error}; {FFCV_INSTALLATION}"
    return "ffcv", "ok", version


def _diagnose_slurm() -> Iterator[tuple[str, str, str]]:
    """Yield whether a SLURM cluster answers: version, partitions, munge."""
    if shutil.which("sinfo") is None:
        return
    try:
        version = call("sinfo", "--version").strip()
        partitions = call("sinfo", "--noheader", "--format=%P").split()
    except ExecutorError as error:
        yield "slurm cluster", "missing", str(error)
    else:
        yield "slurm cluster", "ok", f"{version}, partitions {', '.join(partitions)}"
    if shutil.which("munge") is not None:
        try:
            call("munge", "--no-input", "--output=/dev/null")
        except ExecutorError as error:
            yield "munge", "missing", str(error)
        else:
            yield "munge", "ok", "gives credentials"


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
