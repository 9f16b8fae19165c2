"""Cells cut into arrays that a cluster accepts."""

import pytest

from kbench.executors.slurm_chunks import cut
from kbench.executors.slurm_resources import Resources


@pytest.mark.parametrize(
    ("count", "limit", "per_task", "tasks"),
    [
        (20, 8, 1, [8, 8, 4]),
        (8, 8, 1, [8]),
        (9, 8, 1, [8, 1]),
        (20, 8, 3, [7]),
        (25, 8, 3, [8, 1]),
        (3, 1, 1, [1, 1, 1]),
    ],
    ids=str,
)
def test_every_cell_is_in_one_task_and_indices_stay_below_the_limit(
    count, limit, per_task, tasks
) -> None:
    chunks = cut([(Resources(cells_per_task=per_task), count)], limit)
    assert [chunk.tasks for chunk in chunks] == tasks
    assert max(chunk.tasks - 1 for chunk in chunks) < limit
    lines = [chunk.offset + line for chunk in chunks for line in range(chunk.cells)]
    assert lines == list(range(count))


def test_groups_of_other_resources_have_arrays_of_their_own() -> None:
    small, large = Resources(cpus=1), Resources(cpus=8)
    chunks = cut([(small, 3), (large, 10)], 8)
    assert [(item.resources, item.offset, item.cells) for item in chunks] == [
        (small, 0, 3),
        (large, 3, 8),
        (large, 11, 2),
    ]


@pytest.mark.parametrize(
    ("limit", "throttles", "after"),
    [
        (10, [4, 3, 3], [None, None, None]),
        (3, [1, 1, 1], [None, None, None]),
        (2, [1, 1, 1], [None, None, 0]),
        (1, [1, 1, 1], [None, 0, 1]),
    ],
    ids=str,
)
def test_throttle_is_divided_and_never_exceeded(limit, throttles, after) -> None:
    chunks = cut([(Resources(max_parallel=limit), 24)], 8)
    assert [chunk.throttle for chunk in chunks] == throttles
    assert [chunk.after for chunk in chunks] == after
    beside_each_other = [chunk.throttle for chunk in chunks if chunk.after is None]
    assert sum(beside_each_other) == limit


def test_without_a_throttle_arrays_are_free() -> None:
    assert {chunk.throttle for chunk in cut([(Resources(), 24)], 8)} == {None}
