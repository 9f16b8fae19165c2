"""A cell on two CPU processes, started by torchrun, equals the cell on one."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kbench.cell import Cell, Choice, Limit
from kbench.checkpoint import load_weights
from kbench.errors import ExecutorError, InterruptedCellError
from kbench.executors.torchrun import run_ranks, torchrun_command
from kbench.machine import Machine
from kbench.progress import read_history, read_progress
from kbench.recipe import Recipe
from kbench.record import read_record
from kbench.run_cell import run_cell

pytestmark = pytest.mark.usefixtures("own_cache")
TIMES = ("train_s", "lr")


@pytest.fixture
def cell(demo_cell: Callable[..., Cell]) -> Cell:
    """A network without batch normalisation, whose parts of a batch would see different means.

    An epoch ends with a batch of 36 images, in two parts, and one of 32 before.
    """
    recipe = Recipe(epochs=2, batch_size=64, lr=0.01, accumulate=2, ema_decay=0.9, held_out=20)
    return demo_cell(
        recipe=recipe,
        architecture=Choice("mnist_toy_stack", {"norm": False}),
        limit=Limit(119, 50),
    )


@pytest.fixture
def two(tmp_path: Path) -> Machine:
    return Machine(tmp_path, devices=2)


def run(cell: Cell, folder: Path, machine: Machine, stop: threading.Event | None = None) -> None:
    folder.mkdir(exist_ok=True)
    run_ranks(cell, folder, machine, stop or threading.Event())


@pytest.mark.slow
def test_two_processes_equal_one(cell: Cell, tmp_path: Path, two: Machine) -> None:
    one = run_cell(cell, tmp_path / "one", Machine(tmp_path))
    run(cell, tmp_path / "two", two)
    record = read_record(tmp_path / "two" / "record.json")
    assert record.status == "ok"
    weights = [load_weights(tmp_path / name) for name in ("one", "two")]
    # Sums in another order differ by rounding, which the steps enlarge.
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-4, atol=1e-6)
    for before, after in zip(*(read_history(tmp_path / n) for n in ("one", "two")), strict=True):
        plain = [{k: v for k, v in line.items() if k not in TIMES} for line in (before, after)]
        assert plain[1] == pytest.approx(plain[0], rel=1e-4)
    assert record.environment["ranks"] == 2
    assert one.environment["ranks"] == 1


@pytest.mark.slow
def test_interrupted_processes_go_on(cell: Cell, tmp_path: Path, two: Machine) -> None:
    long = replace(cell, recipe=replace(cell.recipe, epochs=150, steps_per_epoch=10))
    run(long, tmp_path / "whole", two)
    stop, folder = threading.Event(), tmp_path / "parts"

    def ask() -> None:
        while not ((progress := read_progress(folder)) and progress.epoch > 2):
            time.sleep(0.05)
        stop.set()

    threading.Thread(target=ask).start()
    with pytest.raises(InterruptedCellError, match="stopped"):
        run(long, folder, two, stop)
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "record.json").exists()
    run(long, folder, two)
    sums = {
        read_record(tmp_path / name / "record.json").weights_sha256 for name in ("whole", "parts")
    }
    assert len(sums) == 1


@pytest.mark.slow
def test_failure_leaves_its_reason_in_the_log(cell: Cell, tmp_path: Path, two: Machine) -> None:
    wrong = replace(cell, recipe=replace(cell.recipe, sync_batch_norm=True))
    with pytest.raises(ExecutorError, match=r"torchrun ended with status 1; see torchrun\.txt"):
        run(wrong, tmp_path / "wrong", two)
    assert "sync_batch_norm needs GPUs" in (tmp_path / "wrong" / "log.txt").read_text()


@pytest.mark.slow
def test_killed_process_ends_the_others_and_the_cell_goes_on(
    cell: Cell, tmp_path: Path, two: Machine
) -> None:
    long = replace(cell, recipe=replace(cell.recipe, epochs=20000, steps_per_epoch=10))
    folder = tmp_path / "killed"

    def kill() -> None:
        while not (folder / "checkpoint.pt").exists():
            time.sleep(0.05)
        progress = read_progress(folder)
        assert progress is not None
        os.kill(progress.pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(ExecutorError, match=r"a process was killed by SIGKILL; see torchrun\.txt"):
        run(long, folder, replace(two, checkpoint_interval_s=0.2))
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "record.json").exists()


class TestCommand:
    def test_one_node_needs_no_meeting_point(self, tmp_path: Path) -> None:
        command = torchrun_command(tmp_path / "ranks.json", Machine(tmp_path, devices=8))
        assert command[1:] == [
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=8",
            "--standalone",
            "-m",
            "kbench.executors.rank",
            str(tmp_path / "ranks.json"),
        ]

    def test_nodes_meet_at_the_first_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        srun = tmp_path / "srun"
        srun.touch(mode=0o755)
        for name, value in {"SLURM_JOB_ID": "40007", "SLURMD_NODENAME": "n1"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", str(tmp_path))
        machine = Machine(tmp_path, devices=4, nodes=2)
        command = torchrun_command(tmp_path / "ranks.json", machine)
        assert command[:4] == [str(srun), "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
        expected = {"--nnodes=2", "--nproc-per-node=4", "--rdzv-id=40007"}
        assert expected | {"--rdzv-endpoint=n1:20007"} < set(command)

    def test_nodes_without_slurm_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
        with pytest.raises(ExecutorError, match="2 nodes need a SLURM job and srun"):
            torchrun_command(tmp_path / "ranks.json", Machine(tmp_path, nodes=2))
