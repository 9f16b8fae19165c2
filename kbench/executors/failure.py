"""Why a cell's process ended without a record."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from kbench.record import Status

TAIL_LINES = 50
TAIL_BYTES = 64 * 1024
RANK = re.compile(r"^\[rank\d+\]: ?")  # what torch writes before lines of several processes
TRACEBACK = "Traceback (most recent call last):"
OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError", "can't allocate memory", "CUDA out of memory")


def explain_exit(exit_code: int, log_tail: Sequence[str], oom_kills: int) -> tuple[Status, str]:
    """Return status and reason of a process that left no record.

    Args:
        exit_code: As `multiprocessing` gives it; the negative number of a signal.
        log_tail: Last lines of its log.
        oom_kills: How many processes the kernel killed for memory while it ran.
    """
    if exit_code == -signal.SIGKILL and oom_kills:
        return "oom", "killed by the kernel: out of memory"
    if exit_code < 0:
        return "failed", f"killed by {signal_name(-exit_code)}"
    if exit_code == 0:
        return "failed", "ended without a result, exit status 0"
    error = _last_error(log_tail)
    if any(mark in error for mark in OUT_OF_MEMORY):
        return "oom", error
    # One of several processes, killed while the process that speaks for them lived on.
    if oom_kills and "killed by SIGKILL" in error:
        return "oom", f"{error}; the kernel was out of memory"
    return "failed", error


def read_tail(path: Path, start: int = 0) -> tuple[str, ...]:
    """Return the last lines of a log, of what was written after its byte `start` only.

    There are none if the log cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(start, path.stat().st_size - TAIL_BYTES))
            content = file.read()
    except OSError:
        return ()
    return tuple(content.decode(errors="replace").splitlines()[-TAIL_LINES:])


def count_oom_kills() -> int:
    """Return how many processes this kernel has killed for memory since it started."""
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    counts = dict(line.split() for line in text.splitlines())
    return int(counts.get("oom_kill", 0))


def _last_error(log_tail: Sequence[str]) -> str:
    """Return the first line of the last exception's text; without one, the last line."""
    log_tail = [RANK.sub("", line) for line in log_tail]
    begins = [number for number, line in enumerate(log_tail) if line == TRACEBACK]
    for line in log_tail[begins[-1] + 1 :] if begins else ():
        if line and not line.startswith(" "):
            return line
    return next((line for line in reversed(log_tail) if line.strip()), "no output")


def signal_name(number: int) -> str:
    """Return a signal's name as people write it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
