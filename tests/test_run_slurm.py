"""The command `run` with stand-ins for SLURM's programs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kbench.cli import main

pytestmark = pytest.mark.usefixtures("own_cache")
CLUSTER = "ClusterName = toy\nMaxArraySize = 8\n"


@pytest.fixture
def fakes(tmp_path, monkeypatch) -> Path:
    """Put stand-ins on PATH, alone there; `sbatch` accepts everything."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    programs = {"scontrol": f"echo '{CLUSTER}'", "squeue": "true", "sbatch": "echo 7"}
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def kbench(tmp_path):
    def call(*arguments: object):
        results = ["--results", str(tmp_path / "results")]
        return CliRunner().invoke(main, [*map(str, arguments), *results])

    return call


@pytest.mark.usefixtures("fakes")
def test_dry_run_prints_scripts_and_commands_and_writes_nothing(
    kbench, write_suite, tmp_path
) -> None:
    suite = write_suite(seeds=list(range(10)), resources={"time": "2h", "partition": "cpu"})
    found = kbench("run", suite, "--executor", "slurm", "--dry-run", "--partition", "gpu")
    assert found.exit_code == 0
    assert found.stdout.count("# sbatch --parsable ") == 2
    assert "#SBATCH --partition=gpu\n" in found.stdout
    assert "#SBATCH --time=02:00:00\n" in found.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("fakes")
def test_submits_and_returns_and_says_how_to_follow(kbench, write_suite) -> None:
    found = kbench("run", write_suite(seeds=[0, 1]), "--executor", "slurm")
    assert (found.exit_code, found.stdout) == (0, "")
    assert "submitted 2 cells as job 7; logs: " in found.stderr
    assert "follow with: kbench status" in found.stderr


@pytest.mark.usefixtures("fakes")
def test_what_the_queue_has_no_room_for_is_left(kbench, write_suite) -> None:
    suite = write_suite(seeds=[0, 1, 2])
    found = kbench("run", suite, "--executor", "slurm", "--max-submit", "2")
    assert found.exit_code == 75
    assert "1 cells are not submitted; run again for them" in found.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--partition", "x"), "partition: for --executor slurm only"),
        (("--executor", "slurm", "--jobs", "2"), "--jobs: for --executor local only"),
        (("--executor", "slurm", "--memory", "16 GB"), "command line: memory: "),
        (("--executor", "slurm", "--sbatch", "array=1"), "array cannot be given"),
        (("--executor", "slurm", "--time", "1m"), "time 00:01:00, grace 00:02:00"),
    ],
    ids=["local", "jobs", "memory", "sbatch", "time"],
)
@pytest.mark.usefixtures("fakes")
def test_wrong_options_are_refused(kbench, write_suite, options, message) -> None:
    found = kbench("run", write_suite(), *options)
    assert found.exit_code == 2
    assert message in found.stderr


def test_machine_without_slurm_says_so(kbench, write_suite, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = kbench("run", write_suite(), "--executor", "slurm")
    assert found.exit_code == 2
    assert "scontrol: no such program on PATH; SLURM is used from one of its login" in found.stderr


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.usefixtures("fakes")
def test_batches_that_cannot_be_divided_are_refused_before_they_wait(
    kbench, write_suite, tmp_path, dry_run
) -> None:
    suite = write_suite(recipe={"name": "plain", "batch_size": 100}, resources={"devices": 8})
    found = kbench("run", suite, "--executor", "slurm", *dry_run)
    assert found.exit_code == 2
    assert "batch_size (=100) must be a multiple of 8, the devices of a cell" in found.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("rerun", ["all", "failed", "stale"])
@pytest.mark.usefixtures("fakes")
def test_only_what_is_to_be_run_again_in_any_case_takes_over_no_results(
    kbench, write_suite, rerun
) -> None:
    suite = write_suite()
    found = kbench("run", suite, "--executor", "slurm", "--dry-run", "--rerun", rerun)
    assert found.exit_code == 0
    assert (" --anew" in found.stdout) == (rerun == "all")
