"""The process of one cell.

A worker is a fork of a server that has imported `PRELOAD`, and torch with it, once. This module
itself needs no torch, so that the process that starts workers need not load it.
"""

import contextlib
import ctypes
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from kbench.cell import Cell
from kbench.claim import EXPIRY_S, Claim, kernel_name, read_owner, release
from kbench.errors import ExecutorError, InterruptedCellError, RecordError
from kbench.executors.torchrun import run_ranks
from kbench.machine import Machine
from kbench.progress import read_progress, remove_progress
from kbench.record import read_record, write_record
from kbench.registry import ARCHITECTURES, DATASETS, EVALUATIONS, OPERATORS

EXIT_ELSEWHERE = 73
EXIT_INTERRUPTED = 75
LOG = "log.txt"
RECORD = "record.json"
PRELOAD = ["__main__", "kbench.cli", "kbench.executors.fork_server"]
SET_PARENT_DEATH_SIGNAL = 1
GRACE_S = 60
CLAIM_POLL_S = 0.2
CLAIM_WAIT_S = EXPIRY_S + 10


def work(cell: Cell, directory: Path, machine: Machine, gpu: str | None) -> None:
    """Run a cell and write its record; what goes wrong ends in the log and the exit status.

    Args:
        cell: What to run.
        directory: Folder of the cell's files.
        machine: Where and how.
        gpu: The only GPU that the process may see; None for all.
    """
    stop = _stop_on_signals()
    redirect_output(directory / LOG)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    import_extensions(cell)
    before = record_stamp(directory)
    try:
        held = claim(directory, stop)
        if held is None:
            sys.exit(EXIT_ELSEWHERE)
        try:
            if record_stamp(directory) == before:
                _run(cell, directory, machine, stop)
                if not held.is_lost.is_set():
                    remove_progress(directory)
        finally:
            held.release()
    except InterruptedCellError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_INTERRUPTED)
    except ExecutorError as error:
        # The traceback is that of the process that failed, and stands above.
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _run(cell: Cell, directory: Path, machine: Machine, stop: threading.Event) -> None:
    """Run a claimed cell, on several devices if need be, and see that its record is written."""
    from kbench.checkpoint import remove_checkpoints
    from kbench.run_cell import run_cell

    clear(directory)
    if machine.devices * machine.nodes > 1:
        run_ranks(cell, directory, machine, stop)
    else:
        write_record(directory, run_cell(cell, directory, machine, stop))
    remove_checkpoints(directory)


def import_extensions(cell: Cell) -> None:
    """Import what registers the names of a cell: its `imports`, and entry points if need be."""
    for module in cell.imports:
        importlib.import_module(module)
    chosen = [(EVALUATIONS, choice) for choice in cell.evaluate]
    chosen += [(OPERATORS, cell.operator), (ARCHITECTURES, cell.architecture)]
    if any(choice.name not in names for names, choice in [*chosen, (DATASETS, cell.dataset)]):
        from importlib.metadata import entry_points

        from kbench.suite import ENTRY_POINTS

        for group in ENTRY_POINTS:
            for point in entry_points(group=group):
                point.load()


def record_stamp(directory: Path) -> tuple[int, int] | None:
    """Return what changes whenever a cell's record is written; None without a record."""
    try:
        status = (directory / RECORD).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def claim(directory: Path, stop: threading.Event) -> Claim | None:
    """Claim a cell's folder and keep it claimed; None if another process is at work in it.

    A claim of this machine is waited for: after a run was killed, its workers live on until their
    checkpoints are written. One of another machine is waited for until it is seen to be alive, or
    has expired.

    Raises:
        InterruptedCellError: If `stop` was set meanwhile.
    """
    wanted = Claim(directory)
    end = time.monotonic() + CLAIM_WAIT_S
    seen = _claim_stamp(wanted)
    while not stop.is_set():
        if wanted.take():
            wanted.keep(on_loss=stop.set)
            return wanted
        owner = read_owner(wanted.path)
        is_elsewhere = owner is not None and owner.kernel != kernel_name()
        if time.monotonic() > end or (is_elsewhere and _claim_stamp(wanted) != seen):
            sys.stderr.write(f"{directory.name}: is run by {owner}\n")
            return None
        stop.wait(CLAIM_POLL_S)
    message = f"{directory.name}: stopped while another process runs it"
    raise InterruptedCellError(message)


def _claim_stamp(claim: Claim) -> int:
    """Return what changes whenever a claim is made or refreshed."""
    try:
        return claim.path.stat().st_mtime_ns
    except OSError:
        return 0


def clear(directory: Path) -> None:
    """Delete what a killed process left half written, and the checkpoint of a run that has ended.

    A cell that failed goes on from its checkpoint; one that has a result starts afresh.
    """
    from kbench.checkpoint import checkpoint_time, remove_checkpoints

    for path in directory.glob("*.tmp"):
        path.unlink(missing_ok=True)
    path = directory / RECORD
    if not path.exists() or checkpoint_time(directory) > path.stat().st_mtime:
        return
    try:
        has_result = read_record(path).status in ("ok", "diverged")
    except RecordError:
        has_result = True
    if has_result:
        remove_checkpoints(directory)


def clear_up(directory: Path, pid: int) -> None:
    """Remove the signs of life that a worker of this machine has left, not those of another."""
    with contextlib.suppress(OSError):
        release(directory, pid)
        progress = read_progress(directory)
        if progress is None or (progress.host, progress.pid) == (socket.gethostname(), pid):
            remove_progress(directory)


def _stop_on_signals() -> threading.Event:
    """Return what the first signal to end sets, and the death of the process that is served."""
    stop = threading.Event()

    def ask(_: int = 0, __: FrameType | None = None) -> None:
        if not stop.is_set():
            stop.set()
            # Whoever asked may be gone: a worker that does not get to its next step ends itself.
            signal.alarm(GRACE_S)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, ask)
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    main = multiprocessing.parent_process()

    def watch() -> None:
        # The signal comes when the fork server has ended, which takes its time.
        if main is not None:
            main.join()
            ask()

    threading.Thread(target=watch, daemon=True).start()
    return stop


def redirect_output(path: Path) -> None:
    """Append what this process and its libraries print to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
