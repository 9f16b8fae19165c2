"""The folder of a submission: what it holds, and what is wrong with one that is not understood."""

import json

import pytest

from kbench.cell import read_manifest
from kbench.errors import ExecutorError, RecordError
from kbench.executors.slurm_chunks import cut
from kbench.executors.slurm_resources import Resources
from kbench.executors.slurm_submission import (
    ENDED,
    NAME,
    cell_key,
    find_submissions,
    job_name,
    make_submission,
    new_folder,
    read_submission,
)
from kbench.record import record_path


@pytest.fixture
def cells(demo_cell):
    return [demo_cell(seed) for seed in range(7)]


@pytest.fixture
def submission(cells, tmp_path):
    """Return a submission of tasks of two cells, three tasks an array, not yet accepted."""
    chunks = cut([(Resources(cells_per_task=2), 7)], 3)
    made = make_submission(tmp_path / "results" / "slurm" / "one", cells, chunks, "toy")
    made.write()
    return made


def test_manifest_and_keys_are_those_of_the_cells(submission, cells, tmp_path) -> None:
    assert read_manifest(submission.folder / "manifest.jsonl") == cells
    keys = submission.cell_keys()
    assert keys == [cell_key(cell) for cell in cells]
    folders = [record_path(tmp_path / "results", cell).parent for cell in cells]
    assert [tmp_path / "results" / key for key in keys] == folders


def test_every_line_is_run_by_one_task(submission) -> None:
    lines = [list(array.lines(task)) for array in submission.arrays for task in range(array.tasks)]
    assert lines == [[0, 1], [2, 3], [4, 5], [6]]


def test_what_is_written_is_what_is_read(submission) -> None:
    accepted = submission.with_job(1, "17")
    accepted.write()
    assert read_submission(submission.folder) == accepted
    assert [array.job for array in accepted.arrays] == ["", "17"]
    assert [array.job for array in accepted.without_rest().arrays] == ["17"]


def test_job_names_and_folders_are_different_for_every_submission(tmp_path) -> None:
    first, second = new_folder(tmp_path), new_folder(tmp_path)
    assert first.parent == second.parent == tmp_path / "slurm"
    assert len({job_name(folder, n) for folder in (first, second) for n in range(2)}) == 4


def test_ended_and_half_made_submissions_are_left_out(submission, cells, tmp_path) -> None:
    results = tmp_path / "results"
    (results / "slurm" / "half-made").mkdir()
    later = make_submission(results / "slurm" / "two", cells, [], "toy")
    later.write()
    assert find_submissions(results) == [submission, later]
    (submission.folder / ENDED).touch()
    assert find_submissions(results) == [later]
    assert find_submissions(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a submission"),
        ("[]", "not a submission"),
        ("{}", "not a submission"),
        ('{"version": 2}', "version 2; this kbench reads 1"),
        ('{"version": 1, "arrays": [{}]}', "not a submission"),
        ('{"version": 1, "arrays": [], "cluster": "toy"}', "not a submission"),
    ],
    ids=["empty", "list", "no keys", "version", "array", "keys"],
)
def test_a_submission_that_is_not_understood_says_how_to_forget_it(
    submission, content, message
) -> None:
    submission.path.write_text(content)
    with pytest.raises(RecordError, match=rf"{NAME}: {message}.*delete the folder to forget"):
        read_submission(submission.folder)


def test_keys_of_another_version_are_not_taken(submission) -> None:
    value = json.loads(submission.path.read_text())
    submission.path.write_text(json.dumps(value | {"colour": "red"}))
    with pytest.raises(RecordError, match="not a submission"):
        read_submission(submission.folder)


def test_a_folder_that_cannot_be_made_is_an_error(cells, tmp_path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(ExecutorError, match=r"slurm.one: cannot be written: Not a directory"):
        make_submission(tmp_path / "results" / "slurm" / "one", cells, [], "toy")
