"""Job arrays: cells cut into chunks that a cluster accepts, a throttle divided among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kbench.executors.slurm_resources import Resources


@dataclass(frozen=True)
class Chunk:
    """One job array: lines of a manifest, `cells_per_task` of them a task.

    Attributes:
        number: Place among the chunks of a submission, from 0.
        offset: First line of the manifest, from 0.
        cells: Lines.
        resources: What each task gets.
        throttle: Tasks that run at a time; None for any number.
        after: Number of the chunk that has to end first; None for none.
    """

    number: int
    offset: int
    cells: int
    resources: Resources
    throttle: int | None = None
    after: int | None = None

    @property
    def tasks(self) -> int:
        """Return how many tasks the array has; their indices start at 0."""
        return -(-self.cells // self.resources.cells_per_task)


def cut(groups: Sequence[tuple[Resources, int]], max_array_size: int) -> list[Chunk]:
    """Return chunks whose largest index is below a limit, with the throttle divided among them.

    Args:
        groups: Resources and number of cells, in the order of the manifest.
        max_array_size: The cluster's limit on an index, exclusive.
    """
    chunks: list[Chunk] = []
    offset = 0
    for resources, count in groups:
        for first, size in _slices(count, max_array_size * resources.cells_per_task):
            chunks.append(Chunk(len(chunks), offset + first, size, resources))
        offset += count
    limits = [resources.max_parallel for resources, _ in groups if resources.max_parallel]
    return divide_throttle(chunks, min(limits)) if limits else chunks


def divide_throttle(chunks: Sequence[Chunk], limit: int) -> list[Chunk]:
    """Return chunks of which never more than `limit` tasks run at a time.

    With more chunks than that, a chunk waits for the one that many places before it.
    """
    lanes = min(limit, len(chunks))
    return [
        replace(
            chunk,
            throttle=limit // lanes + (chunk.number % lanes < limit % lanes),
            after=chunk.number - lanes if chunk.number >= lanes else None,
        )
        for chunk in chunks
    ]


def _slices(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield first and number of items of consecutive slices."""
    for first in range(0, count, size):
        yield first, min(size, count - first)
