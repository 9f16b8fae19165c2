"""Arrays handed to a stand-in of sbatch, one by one."""

import pytest

from kbench.errors import ExecutorError
from kbench.executors.slurm_chunks import Chunk, cut
from kbench.executors.slurm_resources import Resources
from kbench.executors.slurm_script import Surroundings
from kbench.executors.slurm_submission import ENDED, find_submissions, read_submission
from kbench.executors.slurm_submit import Order, sbatch_arguments, submit


@pytest.fixture
def where(tmp_path):
    folder = tmp_path / "results" / "slurm" / "one"
    return Surroundings(folder, tmp_path / "results", tmp_path)


@pytest.fixture
def order(demo_cell):
    cells = [demo_cell(seed) for seed in range(5)]
    return Order(cells, cut([(Resources(max_parallel=1), 5)], 2), "toy")


def test_what_stands_after_each_array_is_on_disk(fake_slurm, order, where) -> None:
    fake_slurm()
    jobs = []
    for submission in submit(order, where):
        assert read_submission(where.folder) == submission
        jobs.append([array.job for array in submission.arrays])
    assert jobs == [["101", "", ""], ["101", "102", ""], ["101", "102", "103"]]


def test_nothing_is_asked_of_slurm_before_everything_is_written(fake_slurm, order, where) -> None:
    names = " ".join(["manifest.jsonl", "submission.json", *(f"array-{n}.sh" for n in range(3))])
    there = f"for name in {names}; do [[ -e {where.folder}/$name ]] || exit 1; done; echo 7"
    fake_slurm(sbatch=there)
    assert len(list(submit(order, where))) == 3


def test_scripts_can_be_started_by_hand(fake_slurm, order, where) -> None:
    fake_slurm()
    list(submit(order, where))
    scripts = sorted(where.folder.glob("array-*.sh"))
    assert [path.stat().st_mode & 0o777 for path in scripts] == [0o755] * 3
    assert all(path.read_text().startswith("#!/bin/bash\n") for path in scripts)


def test_the_job_of_a_cluster_in_a_federation_is_its_number(fake_slurm, order, where) -> None:
    fake_slurm(sbatch="echo '12;toy'")
    *_, last = submit(order, where)
    assert {array.job for array in last.arrays} == {"12"}


def test_a_first_refusal_leaves_nothing_in_the_queue(fake_slurm, order, where) -> None:
    fake_slurm(sbatch="echo 'sbatch: error: invalid account' >&2; exit 1")
    with pytest.raises(ExecutorError, match=r"invalid account; 0 of 3 arrays were accepted"):
        list(submit(order, where))
    assert "invalid account" in (where.folder / ENDED).read_text()
    assert find_submissions(where.results) == []


@pytest.mark.parametrize(
    ("after", "arguments"),
    [(None, ["--parsable"]), (0, ["--parsable", "--dependency=afterany:7"])],
    ids=["free", "waiting"],
)
def test_a_chunk_waits_for_the_job_of_the_one_before_it(after, arguments) -> None:
    chunk = Chunk(2, 0, 1, Resources(), after=after)
    assert sbatch_arguments(chunk, ["7", "8"]) == arguments
