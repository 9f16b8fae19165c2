"""Why a cell's process ended without a record."""

import signal
from collections.abc import Sequence
from pathlib import Path

from kbench.record import Status

TAIL_LINES = 50
OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError", "can't allocate memory", "CUDA out of memory")


def explain_exit(exit_code: int, log_tail: Sequence[str], oom_kills: int) -> tuple[Status, str]:
    """Return status and reason of a process that left no record.

    Args:
        exit_code: As `multiprocessing` gives it; the negative number of a signal.
        log_tail: Last lines of its log.
        oom_kills: How many processes the kernel killed for memory while it ran.
    """
    last = next((line for line in reversed(log_tail) if line.strip()), "no output")
    if exit_code == -signal.SIGKILL and oom_kills:
        return "oom", "killed by the kernel: out of memory"
    if exit_code < 0:
        return "failed", f"killed by {signal.Signals(-exit_code).name}"
    if any(mark in last for mark in OUT_OF_MEMORY):
        return "oom", last
    return "failed", last


def read_tail(path: Path, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """Return the last lines of a log; none if it cannot be read."""
    try:
        content = path.read_bytes()[-64 * 1024 :]
    except OSError:
        return ()
    return tuple(content.decode(errors="replace").splitlines()[-lines:])


def count_oom_kills() -> int:
    """Return how many processes this kernel has killed for memory since it started."""
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    counts = dict(line.split() for line in text.splitlines())
    return int(counts.get("oom_kill", 0))
