"""How far a running cell is, as a file that anyone who sees the folder can read."""

import contextlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from kbench.files import replace_text

NAME = "progress.json"
HISTORY = "history.jsonl"
SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 1.0, 10.0


@dataclass(frozen=True)
class Progress:
    """State of a running cell.

    Attributes:
        epoch: Epochs done, with the fraction of the current one.
        epochs: Epochs of the recipe.
        loss: Mean training loss of the current epoch; None before its first step.
        metric: Latest value of the task's metric; None before the first evaluation.
        metric_name: Which that is.
        images_per_s: Training images a second since this part of the run began.
        eta_s: Seconds until the last epoch ends, at the present speed; None at the start.
        time: When this was written, in seconds since the epoch.
        host: Where the cell runs.
        pid: Process that runs it.
    """

    epoch: float
    epochs: int
    loss: float | None = None
    metric: float | None = None
    metric_name: str = "top1"
    images_per_s: float = 0.0
    eta_s: float | None = None
    time: float = 0.0
    host: str = ""
    pid: int = 0


def report_interval(age_s: float) -> float:
    """Return how many seconds pass between two reports of a cell that has run for some time.

    A tenth of it: early news of a short cell, few files from thousands of long ones.
    """
    return min(max(age_s / 10, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)


def write_progress(directory: Path, progress: Progress) -> None:
    """Replace the progress of a cell; time, host and process are filled in.

    A file that cannot be written is no reason to end the cell.
    """
    stamp = {"time": time.time(), "host": socket.gethostname(), "pid": os.getpid()}
    with contextlib.suppress(OSError):
        replace_text(directory / NAME, json.dumps(asdict(progress) | stamp))


def remove_progress(directory: Path) -> None:
    """Delete the progress of a cell that no longer runs."""
    (directory / NAME).unlink(missing_ok=True)


def write_history(directory: Path, history: list[dict[str, float]]) -> None:
    """Replace `history.jsonl`, a line for every epoch that is done."""
    replace_text(directory / HISTORY, "".join(f"{json.dumps(line)}\n" for line in history))


def read_history(directory: Path) -> list[dict[str, float]]:
    """Return the lines of `history.jsonl`; none if the file is not there."""
    path = directory / HISTORY
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def read_progress(directory: Path) -> Progress | None:
    """Return the progress of a cell; None if there is none, or none that can be read now."""
    try:
        value = json.loads((directory / NAME).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict) or set(value) != {f.name for f in fields(Progress)}:
        return None
    return Progress(**value)
