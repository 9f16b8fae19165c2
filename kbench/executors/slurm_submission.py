"""The folder of a submission: what was handed to SLURM, readable and beside the results.

`results/slurm/<name>/` holds

- `manifest.jsonl`: the cells, a line each; `cells.txt`: their suite, scale and id
- `array-<number>.sh`: a script for every job array, that can be submitted again by hand
- `submission.json`: which lines each array runs, and its job
- `logs/<number>-<task>.log`: what tasks print; `timeouts/`: how often their time was over
- `ended`: made once no task is in the queue any more

Without the folder, what it submitted counts as never submitted.
"""

import getpass
import json
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from kbench.cell import Cell
from kbench.errors import ExecutorError, RecordError
from kbench.executors.slurm_chunks import Chunk
from kbench.files import write_bytes, write_json

VERSION = 1
FOLDER = "slurm"
NAME = "submission.json"
ENDED = "ended"


@dataclass(frozen=True)
class Array:
    """A job array of a submission.

    Attributes:
        name: Its job name, which nothing else has.
        offset: First line of the manifest, from 0.
        cells: Lines.
        tasks: Tasks.
        cells_per_task: Lines of a task.
        job: Its job id; empty while it is not submitted.
    """

    name: str
    offset: int
    cells: int
    tasks: int
    cells_per_task: int
    job: str = ""

    def lines(self, task: int) -> range:
        """Return the lines of the manifest that a task runs."""
        first = self.offset + task * self.cells_per_task
        return range(first, min(first + self.cells_per_task, self.offset + self.cells))


@dataclass(frozen=True)
class Submission:
    """What was handed to SLURM by one command.

    Attributes:
        folder: Where it lies.
        cluster: Name of the cluster.
        user: Who did it.
        host: Where.
        arrays: The job arrays.
    """

    folder: Path
    cluster: str
    user: str
    host: str
    arrays: tuple[Array, ...]

    @property
    def path(self) -> Path:
        """Return the file that says all this."""
        return self.folder / NAME

    def write(self) -> None:
        """Write the file in one step."""
        value = {key: item for key, item in asdict(self).items() if key != "folder"}
        write_json(self.path, {"version": VERSION, **value})

    def with_job(self, number: int, job: str) -> "Submission":
        """Return the submission after one of its arrays was accepted."""
        arrays = list(self.arrays)
        arrays[number] = replace(arrays[number], job=job)
        return replace(self, arrays=tuple(arrays))

    def without_rest(self) -> "Submission":
        """Return the submission with the arrays that were accepted only."""
        return replace(self, arrays=tuple(array for array in self.arrays if array.job))

    def cell_keys(self) -> list[str]:
        """Return `suite/scale/id` of every line of the manifest."""
        return (self.folder / "cells.txt").read_text().split()


def cell_key(cell: Cell) -> str:
    """Return what a cell's folder is called within the results folder."""
    return f"{cell.suite}/{cell.scale}/{cell.id}"


def job_name(folder: Path, number: int) -> str:
    """Return the job name of a chunk: what it is recognised by in the queue."""
    return f"kbench-{folder.name}-{number}"


def new_folder(results: Path) -> Path:
    """Return the path of a folder for a submission, named by time and chance."""
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:6]}"
    return results.absolute() / FOLDER / name


def make_submission(
    folder: Path, cells: Sequence[Cell], chunks: Sequence[Chunk], cluster: str
) -> Submission:
    """Make the folder of a submission with its manifest; scripts are the caller's.

    Raises:
        ExecutorError: If it cannot be written.
    """
    arrays = tuple(
        Array(
            job_name(folder, chunk.number),
            chunk.offset,
            chunk.cells,
            chunk.tasks,
            chunk.resources.cells_per_task,
        )
        for chunk in chunks
    )
    lines = (json.dumps(cell.to_json(), sort_keys=True) for cell in cells)
    try:
        folder.mkdir(parents=True)
        (folder / "logs").mkdir()
        (folder / "timeouts").mkdir()
        write_bytes(folder / "manifest.jsonl", "".join(f"{line}\n" for line in lines).encode())
        keys = "".join(f"{cell_key(cell)}\n" for cell in cells)
        write_bytes(folder / "cells.txt", keys.encode())
    except OSError as error:
        message = f"{folder}: cannot be written: {error.strerror}"
        raise ExecutorError(message) from error
    return Submission(folder, cluster, getpass.getuser(), socket.gethostname(), arrays)


def find_submissions(results: Path) -> list[Submission]:
    """Return the submissions that are not known to have ended, the oldest first.

    Raises:
        RecordError: If one cannot be understood.
    """
    folder = results / FOLDER
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [folder / name for name in names if not (folder / name / ENDED).exists()]
    return [read_submission(path) for path in found if (path / NAME).exists()]


def read_submission(folder: Path) -> Submission:
    """Return what a submission's folder says.

    Raises:
        RecordError: If it is damaged or of another version.
    """
    path = folder / NAME
    try:
        value = json.loads(path.read_bytes())
        version = value.pop("version")
        if version == VERSION:
            arrays = tuple(Array(**item) for item in value.pop("arrays"))
            return Submission(folder, arrays=arrays, **value)
        problem = f"version {version!r}; this kbench reads {VERSION}"
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        keys = ", ".join(field.name for field in fields(Submission) if field.name != "folder")
        problem = f"not a submission ({error}); it has version, {keys}"
    message = f"{path}: {problem}; delete the folder to forget what it has submitted"
    raise RecordError(message)
