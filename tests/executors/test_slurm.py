"""Cells handed over to stand-ins of SLURM."""

import json

import pytest

from kbench.errors import ExecutorError
from kbench.executors.slurm import SlurmSettings, describe, fit_into_queue, hand_over
from kbench.executors.slurm_commands import Cluster
from kbench.executors.slurm_resources import Resources
from kbench.executors.slurm_submission import find_submissions


@pytest.fixture
def cells(demo_cell):
    return [demo_cell(seed) for seed in range(20)]


def test_one_sbatch_an_array_and_everything_is_written_down(fake_slurm, cells, tmp_path) -> None:
    log = fake_slurm()
    groups = [(Resources(max_parallel=2), cells)]
    *_, last = hand_over(groups, SlurmSettings(tmp_path / "results"))
    calls = [line for line in log.read_text().splitlines() if line.startswith("sbatch")]
    assert [line.rpartition("/")[2] for line in calls] == [f"array-{n}.sh" for n in range(3)]
    assert "--dependency=afterany:101" in calls[2]
    assert [array.job for array in last.arrays] == ["101", "102", "103"]
    assert find_submissions(tmp_path / "results") == [last]
    lines = (last.folder / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines] == list(range(20))
    assert last.cell_keys() == [f"demo/full/{cell.id}" for cell in cells]
    assert {path.name for path in last.folder.iterdir()} == {
        *(f"array-{number}.sh" for number in range(3)),
        *("cells.txt", "logs", "manifest.jsonl", "submission.json", "timeouts"),
    }


def test_refusal_keeps_what_was_accepted(fake_slurm, cells, tmp_path) -> None:
    fake_slurm(sbatch="[[ $2 == *array-0.sh ]] && echo 7 && exit; echo QOSMaxSubmitJob >&2; exit 1")
    groups = [(Resources(), cells)]
    with pytest.raises(
        ExecutorError, match=r"sbatch: QOSMaxSubmitJob; 1 of 3 arrays were accepted"
    ):
        list(hand_over(groups, SlurmSettings(tmp_path / "results")))
    (left,) = find_submissions(tmp_path / "results")
    assert [array.job for array in left.arrays] == ["7"]


def test_queue_is_filled_as_far_as_the_cluster_allows(fake_slurm, cells) -> None:
    fake_slurm(squeue="echo 1_0; echo 1_1")
    resources = Resources(max_submit=5, cells_per_task=2)
    assert [(item, len(part)) for item, part in fit_into_queue([(resources, cells)])] == [
        (resources, 6)
    ]
    full = Resources(max_submit=2)
    with pytest.raises(ExecutorError, match="2 of your tasks are in the queue; max_submit is 2"):
        fit_into_queue([(full, cells)])


def test_description_of_what_would_be_handed_over_writes_nothing(cells, tmp_path) -> None:
    settings = SlurmSettings(tmp_path / "results")
    text = describe([(Resources(max_parallel=1), cells)], settings, Cluster("toy", 8))
    assert text.count("#!/bin/bash") == 3
    assert "sbatch --parsable --dependency=afterany:JOB_OF_ARRAY_0 " in text
    assert not list(tmp_path.iterdir())
