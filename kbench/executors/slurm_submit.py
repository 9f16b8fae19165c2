"""Handing chunks of cells to SLURM."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kbench.cell import Cell
from kbench.errors import ExecutorError
from kbench.executors.slurm_chunks import Chunk
from kbench.executors.slurm_commands import call
from kbench.executors.slurm_script import Surroundings, render_script, script_path
from kbench.executors.slurm_submission import ENDED, Submission, make_submission
from kbench.files import write_bytes


@dataclass(frozen=True)
class Order:
    """What is to be handed to SLURM.

    Attributes:
        cells: Cells, in the order of the chunks.
        chunks: The job arrays.
        cluster: Name of the cluster.
    """

    cells: Sequence[Cell]
    chunks: Sequence[Chunk]
    cluster: str


def submit(order: Order, where: Surroundings) -> Iterator[Submission]:
    """Hand arrays over one by one; yield the submission as it stands after each.

    Before the first, everything is written; so a process that dies in between leaves a submission
    whose jobs are found in the queue by their names.

    Raises:
        ExecutorError: If SLURM refuses one; what it has accepted until then stays.
    """
    submission = make_submission(where.folder, order.cells, order.chunks, order.cluster)
    for chunk in order.chunks:
        path = script_path(submission.folder, chunk)
        write_bytes(path, render_script(chunk, where).encode())
        path.chmod(0o755)
    submission.write()
    for chunk in order.chunks:
        arguments = sbatch_arguments(chunk, [array.job for array in submission.arrays])
        path = script_path(submission.folder, chunk)
        try:
            answer = call("sbatch", *arguments, str(path))
        except ExecutorError as error:
            accepted = sum(bool(array.job) for array in submission.arrays)
            submission.without_rest().write()
            if not accepted:
                (submission.folder / ENDED).write_text(f"{error}\n")
            message = f"{error}; {accepted} of {len(order.chunks)} arrays were accepted ({path})"
            raise ExecutorError(message) from error
        submission = submission.with_job(chunk.number, answer.strip().partition(";")[0])
        submission.write()
        yield submission


def sbatch_arguments(chunk: Chunk, jobs: Sequence[str]) -> list[str]:
    """Return the options of sbatch that are not in the script.

    Args:
        chunk: What is handed over.
        jobs: Jobs of the chunks before it.
    """
    if chunk.after is None:
        return ["--parsable"]
    return ["--parsable", f"--dependency=afterany:{jobs[chunk.after]}"]
