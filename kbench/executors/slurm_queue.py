"""What is in the queue, as far as this machine can know."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbench.claim import file_system_time
from kbench.errors import ExecutorError
from kbench.executors.slurm_commands import call, read_cluster
from kbench.executors.slurm_submission import ENDED, Array, Submission, find_submissions

FORMAT = "%j|%K|%F|%T|%M|%r"
ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")
SUBMITTING_S = 120.0
QUIET_S = 300.0


@dataclass(frozen=True)
class QueuedTask:
    """A task that is in the queue, or may be.

    Attributes:
        name: Job and task, as SLURM's programs take them.
        text: What is known of it, for people.
        is_running: Whether it runs.
        elapsed_s: For how long.
        submitted: When the file system saw it submitted.
    """

    name: str
    text: str
    is_running: bool = False
    elapsed_s: float = 0.0
    submitted: float = 0.0


@dataclass(frozen=True)
class QueueLine:
    """One line of `squeue`: a task of an array.

    Attributes:
        task: Its index.
        job: The array's job.
        state: SLURM's name of its state.
        elapsed_s: How long it has run.
        reason: Why it does not run.
    """

    task: int
    job: str
    state: str
    elapsed_s: float
    reason: str


def read_queue(results: Path) -> dict[str, QueuedTask]:
    """Return what is queued or runs, by `suite/scale/id` of the cell.

    Where SLURM cannot be asked, or is that of another cluster, everything that was submitted
    counts as queued, except what is known to have ended.

    Raises:
        RecordError: If a submission cannot be understood.
    """
    submissions = find_submissions(results)
    found: dict[str, QueuedTask] = {}
    if not submissions:
        return found
    try:
        here = read_cluster().name
        lines = ask([item for item in submissions if item.cluster == here])
    except ExecutorError as error:
        for item in submissions:
            found |= _unknown(item, str(error))
        return found
    now = file_system_time(submissions[0].folder.parent)
    for item in submissions:
        is_here = item.cluster == here
        other = f"this is cluster {here!r}, not {item.cluster!r}"
        found |= _known(item, lines, now) if is_here else _unknown(item, other)
    return found


def ask(submissions: Sequence[Submission]) -> dict[str, list[QueueLine]]:
    """Return the lines of `squeue` about submissions to this cluster, by the name of their job.

    Raises:
        ExecutorError: If SLURM cannot be asked.
    """
    found: dict[str, list[QueueLine]] = {}
    if not submissions:
        return found
    names = ",".join(array.name for item in submissions for array in item.arrays)
    text = call("squeue", "--noheader", "--array", f"--name={names}", f"--format={FORMAT}")
    for line in text.splitlines():
        name, task, job, state, elapsed, reason = line.split("|", 5)
        if task.isdecimal():
            parsed = QueueLine(int(task), job, state, parse_elapsed(elapsed), reason)
            found.setdefault(name, []).append(parsed)
    return found


def mark_ended(results: Path) -> list[str]:
    """Mark this cluster's submissions of which nothing is in the queue; return what is odd.

    A task that is being requeued can be out of sight, so those that wrote a log lately are left.

    Raises:
        ExecutorError: If SLURM cannot be asked.
        RecordError: If a submission cannot be understood.
    """
    submissions = find_submissions(results)
    if submissions:
        here = read_cluster().name
        submissions = [item for item in submissions if item.cluster == here]
    lines = ask(submissions)
    remarks = []
    for item in submissions:
        if any(array.name in lines for array in item.arrays):
            continue
        logs = list((item.folder / "logs").iterdir())
        latest = max(path.stat().st_mtime for path in [item.path, *logs])
        if file_system_time(item.folder.parent) - latest < QUIET_S:
            continue
        if not logs:
            remarks.append(
                f"{item.folder}: has left the queue without a log: cancelled before it began, or "
                "the compute nodes do not see this folder"
            )
        (item.folder / ENDED).touch()
    return remarks


def parse_elapsed(text: str) -> float:
    """Return the seconds that SLURM writes as [[D-]HH:]MM:SS; 0 for anything else."""
    match = ELAPSED.fullmatch(text)
    days, hours, minutes, seconds = (
        (int(part or 0) for part in match.groups()) if match else 4 * [0]
    )
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _known(
    item: Submission, lines: Mapping[str, list[QueueLine]], now: float
) -> dict[str, QueuedTask]:
    keys = item.cell_keys()
    submitted = (item.folder / "manifest.jsonl").stat().st_mtime
    is_fresh = now - item.path.stat().st_mtime < SUBMITTING_S
    found: dict[str, QueuedTask] = {}
    for array in item.arrays:
        if not array.job and array.name not in lines and is_fresh:
            text = f"being submitted by {item.user} on {item.host}"
            found |= _all(array, keys, QueuedTask(array.name, text, submitted=submitted))
        for line in lines.get(array.name, ()):
            is_running = line.state not in ("PENDING", "SUSPENDED")
            name = f"{line.job}_{line.task}"
            why = "" if line.reason in ("", "None") else f", {line.reason}"
            text = f"job {line.job} {line.state.lower()}{why}"
            task = QueuedTask(name, text, is_running, line.elapsed_s, submitted)
            found |= dict.fromkeys((keys[number] for number in array.lines(line.task)), task)
    return found


def _unknown(item: Submission, problem: str) -> dict[str, QueuedTask]:
    keys = item.cell_keys()
    submitted = (item.folder / "manifest.jsonl").stat().st_mtime
    found: dict[str, QueuedTask] = {}
    for array in item.arrays:
        if array.job:
            text = f"job {array.job} of {item.folder.name}, as far as is known here ({problem})"
            found |= _all(array, keys, QueuedTask(array.job, text, submitted=submitted))
    return found


def _all(array: Array, keys: Sequence[str], task: QueuedTask) -> dict[str, QueuedTask]:
    return dict.fromkeys(keys[array.offset : array.offset + array.cells], task)
