"""What became of a cell, from files, and from SLURM's queue for what was handed to it.

Ages are measured by the file system's clock. A cell that is done costs one look at its folder and
one at its record, both without a `Path`, which would take as long as the looks; with copies of what
was read before (`kbench.ended`), one look at the folder's attributes.
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from kbench.catalogue import find_entry
from kbench.cell import Cell
from kbench.claim import NAME as CLAIM
from kbench.claim import read_owner
from kbench.ended import Ended, find_ended
from kbench.executors.slurm_queue import QueuedTask, read_queue
from kbench.executors.slurm_submission import cell_key
from kbench.progress import NAME as PROGRESS
from kbench.progress import Progress, read_progress
from kbench.record import SCHEMA_VERSION, TRAINING_VERSION
from kbench.record_head import read_head

Kind = Literal[
    "done",
    "stale",
    "failed",
    "unreadable",
    "queued",
    "running",
    "lost",
    "interrupted",
    "invalid",
    "todo",
]
RECORD, CHECKPOINT = "record.json", "checkpoint.pt"
WATCHED = {RECORD, CHECKPOINT, PROGRESS, CLAIM}
ALONE = {RECORD: math.inf}
HEARTBEAT_S = 60.0
READERS = 16
SLICE = 64
SLICES_A_READER = 16
SLOW_S = 2e-3


@dataclass(frozen=True)
class State:
    """State of one cell.

    Attributes:
        kind: `done`; `stale`: done by an older version; `failed`: ended without a result;
            `unreadable`: a record of another schema; `queued`: handed to SLURM; `running`;
            `lost`: started, but silent for more than a minute; `interrupted`: goes on from its
            checkpoint; `invalid`: cannot exist; `todo`.
        reason: Why, where it is not plain.
        progress: How far a running or lost cell is.
        wall_s: How long a cell took that has ended.
    """

    kind: Kind
    reason: str = ""
    progress: Progress | None = None
    wall_s: float | None = None


@dataclass(frozen=True)
class Traces:
    """What lies in a cell's folder: when each file was written, by the file system's clock."""

    folder: str
    written: Mapping[str, float]

    def time(self, *names: str) -> float:
        """Return when the latest of some files was written; 0 if none is there."""
        return max(self.written.get(name, 0.0) for name in names)


NOTHING = State("todo")


def find_states(results: Path, cells: Sequence[Cell], *, with_copies: bool = False) -> list[State]:
    """Return the state of every cell, in their order.

    Args:
        results: Folder of all results.
        cells: Cells of any suites.
        with_copies: Take heads of records that were read before for what they are copies of.

    Raises:
        RecordError: If what was handed to SLURM cannot be understood.
    """
    places = {(cell.suite, cell.scale) for cell in cells}
    ended = {
        (suite, scale): find_ended(results / suite / scale, with_copies=with_copies)
        for suite, scale in places
    }
    queue = read_queue(results)

    def find(cell: Cell) -> State:
        task = queue.get(cell_key(cell)) if queue else None
        place = ended[cell.suite, cell.scale]
        if cell.id not in place.stamps:
            return State("queued", task.text) if task else NOTHING
        if task is None and cell.id in place.heads:
            return _judge(place.heads[cell.id], cell)
        folder = f"{results}/{cell.suite}/{cell.scale}/{cell.id}"
        traces = find_traces(folder, is_exact=task is not None)
        state = _state(traces, cell, place)
        return _with_task(state, task, traces, place.now) if task else state

    states = _map_cells(find, cells)
    for place in ended.values():
        place.write()
    return states


def _map_cells(find: Callable[[Cell], State], cells: Sequence[Cell]) -> list[State]:
    """Return what is found of every cell, by many readers where the file system lets one wait.

    A file system on a network takes long to answer, but answers many at a time. Where it does
    not, readers only stand in each other's way.
    """
    found: list[State] = []
    slices = (cells[first : first + SLICE] for first in range(0, len(cells), SLICE))
    with ThreadPoolExecutor(READERS) as pool:
        for part in slices:
            began = time.perf_counter()
            found += map(find, part)
            if time.perf_counter() - began > SLOW_S * len(part):
                following = islice(slices, READERS * SLICES_A_READER)
                found += chain.from_iterable(
                    pool.map(lambda part: [find(cell) for cell in part], following)
                )
    return found


def find_traces(folder: str, *, is_exact: bool) -> Traces:
    """Return what lies in a cell's folder; the one look at it that a state takes.

    Args:
        folder: The cell's folder.
        is_exact: Also find out when a record was written that is alone, so not older than anything.
    """
    found: list[os.DirEntry[str]] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        found = [entry for entry in entries if entry.name in WATCHED]
    if [entry.name for entry in found] == [RECORD] and not is_exact:
        return Traces(folder, ALONE)
    written = {}
    for entry in found:
        with contextlib.suppress(FileNotFoundError):
            written[entry.name] = entry.stat().st_mtime
    return Traces(folder, written)


def _state(traces: Traces, cell: Cell, place: Ended) -> State:
    if traces.written is not ALONE:
        recorded = traces.time(RECORD)
        # What a worker has begun since the record; or one died before it could clear up behind it.
        if traces.time(PROGRESS, CLAIM) > recorded:
            return _judge_signs(traces, place.now)
        if traces.time(CHECKPOINT) > recorded:
            return State("interrupted", "goes on from its checkpoint")
        if not recorded:
            return State("todo")
    try:
        record = read_head(f"{traces.folder}/{RECORD}")
    except (OSError, ValueError) as error:
        return State("unreadable", str(error))
    state = _judge(record, cell)
    if traces.written is ALONE and state.kind != "unreadable":
        place.keep(cell.id, record)
    return state


def _judge_signs(traces: Traces, now: float) -> State:
    """Return the state of a cell with signs of life, fresh or old."""
    silence = now - traces.time(PROGRESS, CLAIM)
    folder = Path(traces.folder)
    progress = read_progress(folder)
    is_here = progress is not None and progress.host == socket.gethostname()
    if progress is not None and is_here and not _is_alive(progress.pid):
        return State("interrupted", "its process is gone", progress)
    owner = progress.host if progress else str(read_owner(folder / CLAIM) or "its process")
    if silence <= HEARTBEAT_S:
        reason = f"sign of life from {owner} {max(silence, 0):.0f} s ago"
        return State("running", reason, progress)
    return State("lost", f"no sign of life from {owner} for {silence / 60:.0f} min", progress)


def _with_task(state: State, task: QueuedTask, traces: Traces, now: float) -> State:
    """Return the state of a cell of which a task is in the queue."""
    if state.kind == "running" or traces.time(RECORD) > task.submitted:
        return state
    silence = now - traces.time(PROGRESS, CLAIM)
    if state.kind == "lost" and task.is_running and task.elapsed_s > silence - HEARTBEAT_S:
        return State("lost", f"{state.reason}; {task.text}", state.progress)
    return State("queued", task.text)


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
    evaluated = [(item["name"], item["options"]) for item in record["cell"]["evaluate"]]
    missing = [
        choice.label for choice in cell.evaluate if (choice.name, choice.options) not in evaluated
    ]
    return [*find_versions(record, cell), *(f"evaluation {label} added" for label in missing)]


def find_versions(record: Mapping[str, Any], cell: Cell) -> list[str]:
    """Return which versions of code have changed since a record was made."""
    then = record["versions"]
    operator = find_entry("operator", cell.operator.name).version
    return [
        f"{name} version {then.get(name)}, now {version}"
        for name, version in (("training", TRAINING_VERSION), ("operator", operator))
        if then.get(name) != version
    ]
