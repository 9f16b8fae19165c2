"""What is in the queue, from the files of a submission and a stand-in for squeue."""

import os

import pytest

from kbench.errors import RecordError
from kbench.executors.slurm import SlurmSettings, hand_over
from kbench.executors.slurm_queue import mark_ended, parse_elapsed, read_queue
from kbench.executors.slurm_resources import Resources
from kbench.executors.slurm_submission import ENDED, cell_key
from kbench.state import find_states


@pytest.fixture
def cells(demo_cell):
    return [demo_cell(seed) for seed in range(4)]


@pytest.fixture
def submission(fake_slurm, cells, tmp_path):
    """Return a submission of two tasks of two cells each."""
    fake_slurm()
    (made,) = hand_over([(Resources(cells_per_task=2), cells)], SlurmSettings(tmp_path / "results"))
    return made


def kinds(tmp_path, cells) -> list[str]:
    return [state.kind for state in find_states(tmp_path / "results", cells)]


def test_task_in_the_queue_stands_for_its_cells(fake_slurm, submission, cells, tmp_path) -> None:
    name = submission.arrays[0].name
    fake_slurm(squeue=f"echo '{name}|1|101|PENDING|0:00|Priority'")
    queue = read_queue(tmp_path / "results")
    assert set(queue) == {cell_key(cell) for cell in cells[2:]}
    assert queue[cell_key(cells[2])].text == "job 101 pending, Priority"
    assert kinds(tmp_path, cells) == ["todo", "todo", "queued", "queued"]


@pytest.mark.parametrize(
    "programs",
    [
        {"squeue": "echo 'error: Unable to contact slurm controller' >&2; exit 1"},
        {"scontrol": "echo 'ClusterName = other'; echo 'MaxArraySize = 8'"},
    ],
    ids=["no answer", "another cluster"],
)
def test_where_slurm_cannot_be_asked_everything_counts_as_queued(
    fake_slurm, submission, cells, tmp_path, programs
) -> None:
    fake_slurm(**programs)
    assert kinds(tmp_path, cells) == 4 * ["queued"]
    (submission.folder / ENDED).touch()
    assert kinds(tmp_path, cells) == 4 * ["todo"]


def test_what_another_cluster_has_is_no_reason_not_to_ask_this_one(
    fake_slurm, submission, cells, demo_cell, tmp_path
) -> None:
    other = {"scontrol": "echo 'ClusterName = other'; echo 'MaxArraySize = 8'"}
    mine = [demo_cell(seed) for seed in (7, 8)]
    fake_slurm(**other)
    (made,) = hand_over([(Resources(), mine)], SlurmSettings(tmp_path / "results"))
    name = made.arrays[0].name
    log = fake_slurm(**other, squeue=f"echo '{name}|1|102|PENDING|0:00|None'")
    assert kinds(tmp_path, [*cells, *mine]) == [*(4 * ["queued"]), "todo", "queued"]
    assert f"--name={name} " in log.read_text()
    reason = find_states(tmp_path / "results", cells)[0].reason
    assert reason.startswith(f"job 101 of {submission.folder.name}, as far as is known here (this")
    for item in (submission, made):
        os.utime(item.path, (100, 100))
    fake_slurm(**other)
    (remark,) = mark_ended(tmp_path / "results")
    assert made.folder.name in remark
    assert not (submission.folder / ENDED).exists()


def test_record_newer_than_the_submission_counts(
    fake_slurm, submission, cells, tmp_path, finish
) -> None:
    name = submission.arrays[0].name
    fake_slurm(squeue=f"echo '{name}|0|101|RUNNING|5:00|None'")
    finish(cells[0])
    old = finish(cells[1], status="failed")
    os.utime(old, (100, 100))
    assert kinds(tmp_path, cells) == ["done", "queued", "todo", "todo"]


def test_silent_cell_is_lost_only_if_its_task_runs_and_has_for_long(
    fake_slurm, submission, cells, tmp_path
) -> None:
    folder = tmp_path / "results" / cell_key(cells[0])
    folder.mkdir(parents=True)
    (folder / "progress.json").write_text('{"half": ')
    then = (folder / "progress.json").stat().st_mtime - 600
    os.utime(folder / "progress.json", (then, then))
    name = submission.arrays[0].name
    for line, kind in [
        ("0|101|RUNNING|1-00:00:00|None", "lost"),
        ("0|101|RUNNING|0:05|None", "queued"),
        ("0|101|PENDING|0:00|BeginTime", "queued"),
    ]:
        fake_slurm(squeue=f"echo '{name}|{line}'")
        assert kinds(tmp_path, cells)[0] == kind
    fake_slurm()
    assert kinds(tmp_path, cells)[0] == "lost"


@pytest.mark.usefixtures("fake_slurm")
def test_submission_that_has_left_the_queue_is_marked_once(submission, tmp_path) -> None:
    assert mark_ended(tmp_path / "results") == []
    assert not (submission.folder / ENDED).exists()
    os.utime(submission.path, (100, 100))
    (remark,) = mark_ended(tmp_path / "results")
    assert "has left the queue without a log" in remark
    assert "the compute nodes do not see this folder" in remark
    assert (submission.folder / ENDED).exists()
    assert mark_ended(tmp_path / "results") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 2}', "version 2; this kbench reads 1; delete the folder to forget"),
        ("{", "not a submission"),
        ('{"version": 1, "arrays": [{}]}', "not a submission"),
    ],
    ids=["version", "half", "keys"],
)
def test_submission_of_another_version_is_named(submission, tmp_path, text, message) -> None:
    submission.path.write_text(text)
    with pytest.raises(RecordError, match=message):
        read_queue(tmp_path / "results")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0:05", 5), ("12:34", 754), ("1:00:00", 3600), ("2-00:00:01", 172801), ("INVALID", 0)],
)
def test_elapsed_time_is_read(text, seconds) -> None:
    assert parse_elapsed(text) == seconds
