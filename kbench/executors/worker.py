"""The process of one cell.

A worker is a fork of a server that has imported `PRELOAD`, and torch with it, once. This module
itself needs no torch, so that the process that starts workers need not load it.
"""

import ctypes
import importlib
import os
import signal
import sys
import threading
from pathlib import Path

from kbench.cell import Cell
from kbench.errors import InterruptedCellError
from kbench.machine import Machine
from kbench.progress import remove_progress
from kbench.record import write_record

EXIT_INTERRUPTED = 75
LOG = "log.txt"
PRELOAD = ["__main__", "kbench.run_cell"]
SET_PARENT_DEATH_SIGNAL = 1


def work(cell: Cell, directory: Path, machine: Machine, gpu: str | None) -> None:
    """Run a cell and write its record; what goes wrong ends in the log and the exit status.

    Args:
        cell: What to run.
        directory: Folder of the cell's files.
        machine: Where and how.
        gpu: The only GPU that the process may see; None for all.
    """
    from kbench.checkpoint import remove_checkpoints
    from kbench.run_cell import run_cell

    stop = _stop_on_signals()
    _redirect_output(directory / LOG)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    for module in cell.imports:
        importlib.import_module(module)
    try:
        record = run_cell(cell, directory, machine, stop)
    except InterruptedCellError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_INTERRUPTED)
    write_record(directory, record)
    remove_checkpoints(directory)
    remove_progress(directory)


def _stop_on_signals() -> threading.Event:
    """Return what the first SIGINT or SIGTERM sets, that of a dying parent too."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    return stop


def _redirect_output(path: Path) -> None:
    """Append what this process and its libraries print to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
