"""What became of a cell, from files alone."""

import contextlib
import json
import os
import socket
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kbench.catalogue import find_entry
from kbench.cell import Cell
from kbench.progress import Progress, read_progress
from kbench.record import SCHEMA_VERSION, TRAINING_VERSION, record_path

Kind = Literal[
    "done", "stale", "failed", "unreadable", "running", "lost", "interrupted", "invalid", "todo"
]
HEARTBEAT_S = 60.0


@dataclass(frozen=True)
class State:
    """State of one cell.

    Attributes:
        kind: `done`; `stale`: done by an older version; `failed`: ended without a result;
            `unreadable`: a record of another schema; `running`; `lost`: started, but silent for
            more than a minute; `interrupted`: goes on from its checkpoint; `invalid`: cannot
            exist; `todo`.
        reason: Why, where it is not plain.
        progress: How far a running or lost cell is.
        wall_s: How long a cell took that has ended.
    """

    kind: Kind
    reason: str = ""
    progress: Progress | None = None
    wall_s: float | None = None


def find_states(results: Path, cells: Sequence[Cell]) -> list[State]:
    """Return the state of every cell, in their order."""
    begun: dict[tuple[str, str], set[str]] = defaultdict(set)
    for suite, scale in {(cell.suite, cell.scale) for cell in cells}:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            begun[suite, scale] = set(os.listdir(results / suite / scale))  # noqa: PTH208 - names are all it takes
    now = time.time()
    return [
        _state(record_path(results, cell).parent, cell, now)
        if cell.id in begun[cell.suite, cell.scale]
        else State("todo")
        for cell in cells
    ]


def _state(directory: Path, cell: Cell, now: float) -> State:
    path, checkpoint = directory / "record.json", directory / "checkpoint.pt"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        state = State("todo")
    except (OSError, ValueError) as error:
        state = State("unreadable", str(error))
    else:
        state = _judge(record, cell)
    progress = read_progress(directory)
    # What a worker has begun since the record; or one died before it could clear up behind it.
    if progress is not None and progress.time > _changed(path):
        return _judge_progress(progress, now)
    if _changed(checkpoint) > _changed(path):
        return State("interrupted", "goes on from its checkpoint")
    return state


def _changed(path: Path) -> float:
    """Return when a file was written; 0 if it is not there."""
    return path.stat().st_mtime if path.exists() else 0.0


def _judge_progress(progress: Progress, now: float) -> State:
    silence = now - progress.time
    if progress.host == socket.gethostname() and not _is_alive(progress.pid):
        return State("interrupted", "its process is gone", progress)
    if silence <= HEARTBEAT_S:
        return State("running", progress=progress)
    reason = f"no sign of life from {progress.host} for {silence / 60:.0f} min"
    return State("lost", reason, progress)


def _judge(record: Any, cell: Cell) -> State:  # noqa: ANN401 - whatever JSON held
    version = record.get("schema_version") if isinstance(record, dict) else None
    if version != SCHEMA_VERSION:
        return State(
            "unreadable", f"schema version {version!r}; this kbench reads {SCHEMA_VERSION}"
        )
    try:
        return _judge_outcome(record, cell)
    except (AttributeError, KeyError, TypeError) as error:
        return State("unreadable", f"damaged record: {error}")


def _judge_outcome(record: Mapping[str, Any], cell: Cell) -> State:
    if record["id"] != cell.id:
        return State("unreadable", f"it is of cell {record['id']!r}")
    wall_s = record["finished"] - record["started"]
    if record["status"] != "ok":
        reason = f"{record['status']}: {record['reason']}"
        return State("failed", reason, wall_s=wall_s)
    changes = find_changes(record, cell)
    return State("stale" if changes else "done", "; ".join(changes), wall_s=wall_s)


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended may stay listed where nobody reaps it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def find_changes(record: Mapping[str, Any], cell: Cell) -> list[str]:
    """Return what has changed since a record was made, besides what its id covers."""
    current = {
        "training": TRAINING_VERSION,
        "operator": find_entry("operator", cell.operator.name).version,
    }
    then = record["versions"]
    changes = [
        f"{name} version {then.get(name)}, now {version}"
        for name, version in current.items()
        if then.get(name) != version
    ]
    evaluated = [(item["name"], item["options"]) for item in record["cell"]["evaluate"]]
    missing = [
        choice.label for choice in cell.evaluate if (choice.name, choice.options) not in evaluated
    ]
    return [*changes, *(f"evaluation {label} added" for label in missing)]
