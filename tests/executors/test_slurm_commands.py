"""SLURM's own programs: what they say when they refuse."""

import pytest

from kbench.errors import ExecutorError
from kbench.executors.slurm_commands import Cluster, call, read_cluster


def test_settings_of_the_cluster_are_read(fake_slurm) -> None:
    fake_slurm()
    assert read_cluster() == Cluster("toy", 8)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("echo 'sbatch: error: invalid partition' >&2; exit 1", "sbatch: invalid partition$"),
        ("exit 3", "sbatch: exit status 3$"),
        (
            "echo 'sbatch: error: Munge encode failed: Failed to access' >&2; exit 1",
            r"Munge encode failed.*; is the munge daemon running on this machine\?",
        ),
    ],
    ids=["words", "silence", "munge"],
)
def test_refusal_is_told_in_slurms_words(fake_slurm, program, message) -> None:
    fake_slurm(sbatch=program)
    with pytest.raises(ExecutorError, match=message):
        call("sbatch", "script")


def test_program_that_is_not_there(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExecutorError, match="sbatch: no such program on PATH; SLURM is used from"):
        call("sbatch")


@pytest.mark.parametrize("size", ["0", "many"])
def test_cluster_without_arrays_is_refused(fake_slurm, size) -> None:
    fake_slurm(scontrol=f"echo 'MaxArraySize = {size}'")
    with pytest.raises(ExecutorError, match="this cluster takes no job arrays"):
        read_cluster()
