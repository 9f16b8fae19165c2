"""Cells on a SLURM cluster: cut into job arrays, written down, handed over.

The arrays run `kbench cell` on lines of a manifest; nothing of kbench waits for them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbench.cell import Cell
from kbench.errors import ExecutorError
from kbench.executors.slurm_chunks import Chunk, cut
from kbench.executors.slurm_commands import Cluster, call, read_cluster
from kbench.executors.slurm_resources import Resources
from kbench.executors.slurm_script import (
    Surroundings,
    exported_variables,
    find_program,
    render_script,
    script_path,
)
from kbench.executors.slurm_submission import Submission, new_folder
from kbench.executors.slurm_submit import Order, sbatch_arguments, submit

DRY_RUN = "dry-run"
Groups = Sequence[tuple[Resources, Sequence[Cell]]]


@dataclass(frozen=True)
class SlurmSettings:
    """How cells are handed to SLURM.

    Attributes:
        results: Folder of all results.
        options: Options of `kbench cell` for every task.
    """

    results: Path
    options: tuple[str, ...] = ()

    def surroundings(self, folder: Path, resources: Sequence[Resources]) -> Surroundings:
        """Return where the scripts of a submission run; a container has a kbench of its own."""
        has_container = any(item.container for item in resources)
        return Surroundings(
            folder=folder,
            results=self.results.absolute(),
            working_folder=Path.cwd(),
            program="kbench" if has_container else find_program(),
            options=self.options,
            exports=exported_variables(),
        )


def hand_over(groups: Groups, settings: SlurmSettings) -> Iterator[Submission]:
    """Submit cells and yield the submission as it stands after each array.

    Raises:
        ExecutorError: If the cluster does not answer or refuses an array.
    """
    cluster = read_cluster()
    chunks = make_chunks(groups, cluster)
    where = settings.surroundings(new_folder(settings.results), [item for item, _ in groups])
    cells = [cell for _, items in groups for cell in items]
    yield from submit(Order(cells, chunks, cluster.name), where)


def describe(groups: Groups, settings: SlurmSettings, cluster: Cluster) -> str:
    """Return the scripts and the command lines of a submission that is not made."""
    folder = settings.results.absolute() / "slurm" / DRY_RUN
    where = settings.surroundings(folder, [item for item, _ in groups])
    chunks = make_chunks(groups, cluster)
    jobs = [f"JOB_OF_ARRAY_{chunk.number}" for chunk in chunks]
    parts = []
    for chunk in chunks:
        path = script_path(folder, chunk)
        command = " ".join(["sbatch", *sbatch_arguments(chunk, jobs), str(path)])
        parts.append(f"# {command}\n{render_script(chunk, where)}")
    return "\n".join(parts)


def make_chunks(groups: Groups, cluster: Cluster) -> list[Chunk]:
    """Return the job arrays of groups of cells with equal resources."""
    return cut([(item, len(cells)) for item, cells in groups], cluster.max_array_size)


def fit_into_queue(groups: Groups) -> Groups:
    """Return as many cells as the cluster takes now, where resources say how many that is.

    Raises:
        ExecutorError: If the queue has no room, or SLURM cannot be asked.
    """
    limits = [item.max_submit for item, _ in groups if item.max_submit]
    if not limits:
        return groups
    queued = len(call("squeue", "--me", "--noheader", "--array", "--format=%i").split())
    room = min(limits) - queued
    if room < 1:
        message = f"{queued} of your tasks are in the queue; max_submit is {min(limits)}"
        raise ExecutorError(message)
    fitting = []
    for resources, cells in groups:
        taken = cells[: room * resources.cells_per_task]
        room -= -(-len(taken) // resources.cells_per_task)
        if taken:
            fitting.append((resources, taken))
    return fitting
