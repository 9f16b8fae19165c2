"""A real cluster of one node: what is submitted runs, survives, and is never run twice."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbench.cli import main
from kbench.executors.slurm_commands import call
from kbench.executors.slurm_queue import parse_elapsed
from kbench.machine import Machine
from kbench.plan import plan_suite
from kbench.record import Record, read_record
from kbench.run_cell import run_cell

SCRIPT = Path(__file__).parents[1] / "slurm_cluster.py"
KBENCH = [sys.executable, "-c", "from kbench.cli import main; main()"]
PATIENCE_S = 300.0
MODULE = "operators_that_pause"
SOURCE = '''
import os
import time

from torch import nn

from kbench.registry import OPERATORS


@OPERATORS.register("pausing")
class Pausing(nn.Conv2d):
    """Convolution that waits in training, as long as a file is there."""

    def forward(self, x):
        if self.training and x.device.type != "meta":
            time.sleep(0.2 if os.path.exists(os.environ.get("PAUSE", "")) else 0)
        return super().forward(x)
'''
GRID = {"dataset": "digits", "architecture": {"name": "resnet8_cifar", "width": 4}}
SHORT = {"recipe": {"name": "plain", "batch_size": 32, "epochs": 1}, "limit": {"train": 32}}
# Ten convolutions a step, 32 steps: more than a minute if each of them pauses.
LONG = {"recipe": {"name": "plain", "batch_size": 16, "epochs": 4}, "limit": {"train": 128}}

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.skipif(not shutil.which("slurmctld"), reason="SLURM is not installed"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """Start a cluster whose largest array has eight tasks; return its folder."""
    # Not a folder of pytest's: munge wants to reach its own as another user.
    with tempfile.TemporaryDirectory(prefix="kbench-slurm-", ignore_cleanup_errors=True) as name:
        subprocess.run([sys.executable, SCRIPT, "start", name, "max_array_size=8"], check=True)
        yield Path(name)
        subprocess.run([sys.executable, SCRIPT, "stop", name], check=True)


@pytest.fixture
def environment(
    cluster: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registries: None,  # noqa: ARG001 - what the module registers is forgotten
) -> None:
    """Let this process and its children use the cluster and a module of their own."""
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    source = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "modules"), source]))
    monkeypatch.setenv("SLURM_CONF", str(cluster / "slurm.conf"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def kbench(environment: None, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:  # noqa: ARG001 - set up
    """Return a function that runs a command, in this process to spare it the import of torch."""

    def call(*arguments: object, apart: bool = False) -> subprocess.CompletedProcess:
        words = [*map(str, arguments), "--results", str(tmp_path / "results")]
        if apart:
            command = [*KBENCH, *words]
            return subprocess.run(command, capture_output=True, text=True, check=False)
        found = CliRunner(catch_exceptions=False).invoke(main, words)
        return subprocess.CompletedProcess(words, found.exit_code, found.stdout, found.stderr)

    return call


@pytest.fixture
def pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let cells pause at each step while the returned file is there."""
    path = tmp_path / "pause"
    path.touch()
    monkeypatch.setenv("PAUSE", str(path))
    return path


@pytest.fixture
def make_suite(write_suite: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a suite of cells that pause."""

    def make(**keys: object) -> Path:
        grid = [GRID | {"operator": "pausing"}]
        return write_suite(**({"grid": grid, "imports": [MODULE]} | keys))

    return make


def records_of(results: Path) -> list[Record]:
    return [read_record(path) for path in sorted(results.rglob("record.json"))]


def squeue(*options: str) -> list[str]:
    return call("squeue", "--noheader", "--array", *options).split()


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"no {what} within {PATIENCE_S} s"
        time.sleep(0.2)


def logs(results: Path) -> str:
    return "\n".join(path.read_text() for path in results.glob("slurm/*/logs/*.log"))


def counts(kbench: Callable[..., subprocess.CompletedProcess], suite: Path) -> dict[str, int]:
    return json.loads(kbench("status", suite, "--json").stdout)[0]["counts"]


def shorten(task: str) -> None:
    """Let a task's time be over within one to two minutes; SLURM counts in whole ones."""
    (elapsed,) = squeue("--format=%M", f"--jobs={task}")
    minutes = int(parse_elapsed(elapsed)) // 60 + 2
    call("scontrol", "update", f"JobId={task}", f"TimeLimit={minutes}")


def check_as_uninterrupted(results: Path, tmp_path: Path) -> None:
    """Compare all results with those of runs in this process."""
    importlib.import_module(MODULE)
    for record in records_of(results):
        alone = run_cell(record.cell, tmp_path / f"alone-{record.cell.seed}", Machine(tmp_path))
        assert record.weights_sha256 == alone.weights_sha256


def test_refused_sbatch_shows_slurms_own_words(
    make_suite: Callable[..., Path], kbench: Callable[..., subprocess.CompletedProcess]
) -> None:
    run = ("run", make_suite(**SHORT), "--executor", "slurm")
    found = kbench(*run, "--partition", "nowhere")
    assert found.returncode == 2
    assert "sbatch: invalid partition specified: nowhere; Batch job submission" in found.stderr
    assert "0 of 1 arrays were accepted" in found.stderr
    impossible = kbench(*run, "--cpus", 1000)
    assert "More processors requested than permitted" in impossible.stderr
    assert kbench("status", run[1]).stdout == "demo (full): 1 cells: 1 todo\n"
    assert squeue() == []


def test_twenty_cells_run_in_arrays_of_eight_tasks_and_four_at_a_time(
    make_suite: Callable[..., Path],
    kbench: Callable[..., subprocess.CompletedProcess],
    tmp_path: Path,
) -> None:
    resources = {"cpus": 1, "max_parallel": 4, "cells_per_task": 2}
    suite = make_suite(**SHORT, seeds=list(range(20)), resources=resources)
    run = ("run", suite, "--executor", "slurm")
    first = kbench(*run, apart=True)
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.count("submitted 16 cells") == 1
    assert first.stderr.count("submitted 4 cells") == 1
    again = kbench(*run, apart=True)
    assert again.returncode == 0
    assert "nothing to run: 20 cells: " in again.stderr
    assert kbench("run", suite).returncode == 75

    most = 0
    while queued := squeue("--format=%T"):
        most = max(most, queued.count("RUNNING"))
        time.sleep(0.5)
    assert 1 < most <= 4
    assert [record.status for record in records_of(tmp_path / "results")] == 20 * ["ok"]
    assert kbench("status", suite).stdout == "demo (full): 20 cells: 20 done\n"
    # One submission, by either command; every cell was started once.
    assert len(list((tmp_path / "results" / "slurm").iterdir())) == 1
    assert logs(tmp_path / "results").count("start ") == 20


def test_tasks_that_are_ended_early_go_on_to_the_same_weights(
    make_suite: Callable[..., Path],
    kbench: Callable[..., subprocess.CompletedProcess],
    tmp_path: Path,
    pause: Path,
) -> None:
    """One task is cancelled, one preempted, one stopped by its time limit, side by side."""
    resources = {"cpus": 1, "time": "1h", "grace": "110s"}
    suite, results = make_suite(**LONG, seeds=[0, 1, 2], resources=resources), tmp_path / "results"
    run = ("run", suite, "--executor", "slurm", "--checkpoint-every", "0.1")
    assert kbench(*run).returncode == 0
    wait_for(lambda: len(list(results.rglob("checkpoint.pt"))) == 3, "three checkpoints")
    assert counts(kbench, suite) == {"running": 3}
    assert "nothing to run" in kbench(*run).stderr

    (first, second, third) = sorted(squeue("--format=%i"))
    shorten(third)
    call("scancel", first)
    call("scontrol", "requeue", second)
    wait_for(lambda: first not in squeue("--format=%i"), "end of the cancelled task")
    wait_for(lambda: "PENDING" in squeue("--format=%T", f"--jobs={second}"), "requeue")
    states = counts(kbench, suite)
    assert states.pop("interrupted") == 1
    assert states["queued"] >= 1
    assert "submitted 1 cells" in kbench(*run).stderr
    wait_for(lambda: "1. time: requeued to go on" in logs(results), "end of its time")
    assert "stopped " in logs(results)

    pause.unlink()
    found = kbench(*run, "--wait")
    assert found.returncode == 0, logs(results)
    assert "submitted" not in found.stderr
    assert [record.cell.seed for record in records_of(results)] == [0, 1, 2]
    check_as_uninterrupted(results, tmp_path)


def test_cell_whose_node_fails_goes_on_to_the_same_weights(
    cluster: Path,
    make_suite: Callable[..., Path],
    kbench: Callable[..., subprocess.CompletedProcess],
    tmp_path: Path,
    pause: Path,
) -> None:
    suite, results = make_suite(**LONG), tmp_path / "results"
    run = ("run", suite, "--executor", "slurm", "--checkpoint-every", "0.1")
    assert kbench(*run).returncode == 0
    wait_for(lambda: list(results.rglob("checkpoint.pt")), "checkpoint")
    subprocess.run([sys.executable, SCRIPT, "kill-node", cluster], check=True)
    subprocess.run([sys.executable, SCRIPT, "start-node", cluster], check=True)
    pause.unlink()
    found = kbench(*run, "--wait", apart=True)
    assert found.returncode == 0, logs(results)
    check_as_uninterrupted(results, tmp_path)
    assert plan_suite(suite, "full", results).cells[0].state.kind == "done"
