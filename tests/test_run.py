"""The commands `run` and `cell`, with real processes, from the first cell to the exit status."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kbench.checkpoint import NAME
from kbench.claim import Claim, this_process
from kbench.cli import main
from kbench.machine import Machine
from kbench.plan import plan_suite
from kbench.progress import read_progress
from kbench.record import Record, read_record, write_record
from kbench.run_cell import run_cell

PATIENCE_S = 120.0  # how long a loaded machine may take for a second's work
MODULE = "operators_that_wait"
SOURCE = '''
import time

from torch import nn

from kbench.registry import OPERATORS


class Waiting(nn.Conv2d):
    pause_s = 0.01

    def forward(self, x):
        if self.training and x.device.type != "meta":
            time.sleep(self.pause_s)
        return super().forward(x)


@OPERATORS.register("slow")
class Slow(Waiting):
    """Convolution that takes its time."""


@OPERATORS.register("hanging")
class Hanging(Waiting):
    """Convolution that never ends."""

    pause_s = 1000


@OPERATORS.register("raising")
class Raising(Waiting):
    """Convolution that fails."""

    def forward(self, x):
        if self.training and x.device.type != "meta":
            raise RuntimeError("no luck")
        return super().forward(x)
'''
GRID = {"dataset": "digits", "architecture": {"name": "resnet8_cifar", "width": 4}}
RECIPE = {"name": "plain", "batch_size": 16, "epochs": 2}

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use one core, that threads do not wait for each other, and start workers without pytest."""
    monkeypatch.setitem(sys.modules, "__main__", type(sys)("__main__"))
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture
def own_module(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registries: None,  # noqa: ARG001 - what the module registers is forgotten
) -> str:
    """Write a module with operators that wait or fail."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return MODULE


@pytest.fixture
def make_suite(write_suite: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a suite of short cells, with these operators."""

    def make(*operators: object, **keys: object) -> Path:
        grid = [GRID | {"operator": list(operators or ["conv"])}]
        return write_suite(
            **({"recipe": RECIPE, "limit": {"train": 96, "test": 64}, "grid": grid} | keys)
        )

    return make


@pytest.fixture
def kbench(tmp_path: Path) -> Callable[..., Result]:
    """Return a function that calls a command in this process, on the results folder."""

    def call(command: str, *arguments: object) -> Result:
        results = ["--results", str(tmp_path / "results")]
        return CliRunner().invoke(main, [command, *map(str, arguments), *results])

    return call


def records_of(tmp_path: Path) -> dict[str, Record]:
    records = [read_record(path) for path in (tmp_path / "results").rglob("record.json")]
    return {f"{item.cell.operator.name}-{item.cell.seed}": item for item in records}


class TestRun:
    def test_trains_what_has_no_result_and_then_nothing(
        self, make_suite: Callable[..., Path], kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        suite = make_suite("conv", {"name": "lc", "expansion": 2}, seeds=[0, 1])
        first = kbench("run", suite, "--jobs", 2)
        assert (first.exit_code, first.stdout) == (0, "")
        assert first.stderr.count("start ") == first.stderr.count("ok ") == 4
        records = records_of(tmp_path)
        assert set(records) == {"conv-0", "conv-1", "lc-0", "lc-1"}
        second = kbench("run", suite)
        assert (second.exit_code, second.stderr) == (0, "nothing to run: 4 cells: 4 done\n")
        assert records_of(tmp_path) == records

    def test_cells_that_run_elsewhere_are_left_and_said(
        self, make_suite: Callable[..., Path], kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        suite = make_suite()
        (planned,) = plan_suite(suite, "full", tmp_path / "results").cells
        folder = tmp_path / "results" / "demo" / "full" / planned.cell.id
        folder.mkdir(parents=True)
        other = replace(this_process(), kernel="elsewhere")
        assert Claim(folder, other).take()
        found = kbench("run", suite)
        assert found.exit_code == 75
        name = f"{planned.cell.id}: sign of life from process"
        assert f"running   {name} {other.pid} on {other.host}" in found.stderr
        assert "1 cells are queued or run elsewhere; run again once they ended" in found.stderr
        assert not records_of(tmp_path)

    def test_only_and_dry_run(
        self, make_suite: Callable[..., Path], kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        suite = make_suite("conv", {"name": "lc", "expansion": 2}, seeds=[0, 1])
        shown = kbench("run", suite, "--only", "seed=1", "--only", "operator=lc", "--dry-run")
        assert shown.exit_code == 0
        assert "1 cells: 1 todo" in shown.stdout
        assert not (tmp_path / "results").exists()
        assert kbench("run", suite, "--only", "seed=1", "--only", "operator=lc").exit_code == 0
        assert set(records_of(tmp_path)) == {"lc-1"}

    def test_failed_cells_run_again_on_request_only(
        self,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        own_module: str,
        tmp_path: Path,
    ) -> None:
        suite = make_suite("raising", "conv", imports=[own_module])
        first = kbench("run", suite)
        assert first.exit_code == 1
        assert "RuntimeError: no luck" in first.stderr
        before = records_of(tmp_path)
        assert (before["raising-0"].status, before["conv-0"].status) == ("failed", "ok")
        second = kbench("run", suite)
        assert second.exit_code == 1
        assert "failed    " in second.stderr
        assert "nothing to run: 2 cells: 1 failed, 1 done" in second.stderr
        assert kbench("run", suite, "--rerun", "failed").exit_code == 1
        after = records_of(tmp_path)
        assert after["raising-0"].started > before["raising-0"].started
        assert after["conv-0"] == before["conv-0"]

    def test_fail_fast_leaves_the_rest(
        self,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        own_module: str,
        tmp_path: Path,
    ) -> None:
        suite = make_suite("raising", "conv", imports=[own_module])
        assert kbench("run", suite, "--fail-fast").exit_code == 1
        assert set(records_of(tmp_path)) == {"raising-0"}

    def test_time_limit_ends_a_cell_that_hangs(
        self,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        own_module: str,
        tmp_path: Path,
    ) -> None:
        suite = make_suite("hanging", imports=[own_module], time_limit="1h")
        assert kbench("run", suite, "--time-limit", "1s").exit_code == 1
        (record,) = records_of(tmp_path).values()
        assert (record.status, record.reason) == ("timeout", "over the time limit of 1 s")

    @pytest.mark.parametrize("rerun", ["stale", "all"])
    def test_stale_cells_start_afresh_on_request(
        self,
        rerun: str,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        finish: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        suite = make_suite()
        (planned,) = plan_suite(suite, "full", tmp_path / "results").cells
        path = finish(planned.cell, versions={"training": 0, "operator": 1})
        old = path.read_bytes()
        passed_over = kbench("run", suite)
        assert "training version 0, now 1" in passed_over.stderr
        assert (passed_over.exit_code, path.read_bytes()) == (0, old)
        assert kbench("run", suite, "--rerun", rerun).exit_code == 0
        assert read_record(path).versions == {"training": 1, "operator": 1}

    @pytest.mark.parametrize("rerun", [None, "failed", "stale"])
    def test_record_of_another_schema_is_left_alone(
        self,
        rerun: str | None,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        finish: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        suite = make_suite()
        (planned,) = plan_suite(suite, "full", tmp_path / "results").cells
        path = finish(planned.cell)
        path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
        old = path.read_bytes()
        found = kbench("run", suite, *(["--rerun", rerun] if rerun else []))
        assert "schema version 99; this kbench reads 1" in found.stderr
        assert (found.exit_code, path.read_bytes()) == (1, old)
        assert kbench("run", suite, "--rerun", "all").exit_code == 0
        assert read_record(path).status == "ok"

    def test_diverged_cell_is_a_record_and_a_failure(
        self, make_suite: Callable[..., Path], kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        found = kbench("run", make_suite(recipe=RECIPE | {"lr": 1e9}))
        assert found.exit_code == 1
        assert "diverged" in found.stderr
        (record,) = records_of(tmp_path).values()
        assert (record.status, record.metrics) == ("diverged", {})


class TestBadInput:
    def test_missing_data_costs_the_cells_of_its_dataset(
        self,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("KBENCH_DATA", str(tmp_path / "nothing"))
        grid = [GRID | {"dataset": ["cifar10", "digits"], "operator": "conv"}]
        found = kbench("run", make_suite(grid=grid))
        assert found.exit_code == 1
        assert "1 cells not run: dataset 'cifar10': no file" in found.stderr
        assert "get it with: kbench data prepare cifar10 --download" in found.stderr
        assert [item.status for item in records_of(tmp_path).values()] == ["ok"]

    def test_results_folder_that_cannot_be_made(
        self, make_suite: Callable[..., Path], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        command = ["run", str(make_suite()), "--results", str(tmp_path / "file" / "results")]
        found = CliRunner().invoke(main, command)
        assert found.exit_code == 2
        assert "file/results' cannot be written: Not a directory" in found.stderr

    def test_device_that_is_not_there(
        self,
        make_suite: Callable[..., Path],
        kbench: Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        found = kbench("run", make_suite(), "--device", "cuda")
        assert found.exit_code == 2
        assert "--device cuda: no GPU is visible on this machine" in found.stderr


class TestManifest:
    @pytest.fixture
    def manifest(self, make_suite: Callable[..., Path], own_module: str, tmp_path: Path) -> Path:
        suite = make_suite("conv", "raising", imports=[own_module])
        cells = [item.cell for item in plan_suite(suite, "full", tmp_path / "results").cells]
        path = tmp_path / "manifest.jsonl"
        path.write_text("".join(f"{json.dumps(cell.to_json())}\n" for cell in cells))
        return path

    def test_runs_the_cell_of_one_line(
        self, manifest: Path, kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        assert kbench("cell", manifest, 0).exit_code == 0
        assert {name: item.status for name, item in records_of(tmp_path).items()} == {
            "conv-0": "ok"
        }

    def test_failure_is_exit_status_1(
        self, manifest: Path, kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        assert kbench("cell", manifest, 1).exit_code == 1
        assert records_of(tmp_path)["raising-0"].status == "failed"

    def test_line_that_is_not_there(self, manifest: Path, kbench: Callable[..., Result]) -> None:
        found = kbench("cell", manifest, 2)
        assert found.exit_code == 2
        assert "no line 2; the manifest has 2, counted from 0" in found.stderr


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"no {what} within {PATIENCE_S} s"
        time.sleep(0.01)


def find_checkpoints(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "results").rglob(NAME))


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    return False


def worker_of(tmp_path: Path) -> int:
    (path,) = (tmp_path / "results").rglob("progress.json")
    progress = read_progress(path.parent)
    assert progress is not None
    return progress.pid


class TestInterruption:
    @pytest.fixture
    def suite(self, make_suite: Callable[..., Path], own_module: str) -> Path:
        recipe = RECIPE | {"epochs": 4, "momentum": 0.9}
        return make_suite("slow", imports=[own_module], recipe=recipe)

    @pytest.fixture
    def command(self, suite: Path, tmp_path: Path) -> list[str]:
        code = "from kbench.cli import main; main()"
        options = ["--results", str(tmp_path / "results"), "--checkpoint-every", "0.05"]
        return [sys.executable, "-c", code, "run", str(suite), *options]

    @pytest.fixture
    def environment(self, tmp_path: Path) -> Mapping[str, str]:
        return {**os.environ, "PYTHONPATH": str(tmp_path / "modules")}

    def check_goes_on(self, suite: Path, kbench: Callable[..., Result], tmp_path: Path) -> None:
        """Run the rest, and compare with a run that was never interrupted."""
        again = kbench("run", suite)
        assert again.exit_code == 0, again.output
        (record,) = records_of(tmp_path).values()
        alone = run_cell(record.cell, tmp_path / "alone", Machine(tmp_path))
        assert record.weights_sha256 == alone.weights_sha256
        assert not find_checkpoints(tmp_path)

    @pytest.mark.slow
    @pytest.mark.parametrize("is_whole_tree", [False, True], ids=["main process", "whole tree"])
    def test_killed_run_goes_on_as_if_nothing_had_been(
        self,
        *,
        is_whole_tree: bool,
        suite: Path,
        command: list[str],
        environment: Mapping[str, str],
        kbench: Callable[..., Result],
        tmp_path: Path,
    ) -> None:
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            wait_for(lambda: find_checkpoints(tmp_path), "checkpoint")
            worker = worker_of(tmp_path)
            if is_whole_tree:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
        wait_for(lambda: not is_alive(worker), "end of the worker")
        assert not records_of(tmp_path)
        self.check_goes_on(suite, kbench, tmp_path)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("number", "exit_code"),
        [(signal.SIGINT, 130), (signal.SIGTERM, 75)],
        ids=["Ctrl-C", "SIGTERM"],
    )
    def test_signal_saves_and_the_next_run_goes_on(
        self,
        number: int,
        exit_code: int,
        suite: Path,
        kbench: Callable[..., Result],
        tmp_path: Path,
    ) -> None:
        def interrupt() -> None:
            wait_for(lambda: find_checkpoints(tmp_path), "checkpoint")
            os.kill(os.getpid(), number)

        thread = threading.Thread(target=interrupt)
        thread.start()
        found = kbench("run", suite, "--checkpoint-every", 0.05)
        thread.join()
        assert found.exit_code == exit_code
        assert "interrupted; run the same command again to go on" in found.stderr
        assert not records_of(tmp_path)
        (log,) = (tmp_path / "results").rglob("log.txt")
        assert "stopped after step" in log.read_text()
        self.check_goes_on(suite, kbench, tmp_path)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("number", "exit_code"),
        [(signal.SIGINT, 130), (signal.SIGTERM, 75)],
        ids=["Ctrl-C", "SIGTERM"],
    )
    def test_signal_to_the_whole_group_as_from_a_terminal_or_a_batch_system(
        self,
        number: int,
        exit_code: int,
        suite: Path,
        command: list[str],
        environment: Mapping[str, str],
        kbench: Callable[..., Result],
        tmp_path: Path,
    ) -> None:
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            wait_for(lambda: find_checkpoints(tmp_path), "checkpoint")
            os.killpg(process.pid, number)
            assert process.wait(PATIENCE_S) == exit_code
        assert not records_of(tmp_path)
        self.check_goes_on(suite, kbench, tmp_path)

    def test_second_signal_does_not_wait_for_a_cell_that_hangs(
        self,
        make_suite: Callable[..., Path],
        own_module: str,
        kbench: Callable[..., Result],
        tmp_path: Path,
    ) -> None:
        pids = []

        def interrupt() -> None:
            wait_for(lambda: list((tmp_path / "results").rglob("progress.json")), "progress")
            pids.append(worker_of(tmp_path))
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.5)

        thread = threading.Thread(target=interrupt)
        thread.start()
        found = kbench("run", make_suite("hanging", imports=[own_module]))
        thread.join()
        assert found.exit_code == 128 + signal.SIGTERM
        wait_for(lambda: not is_alive(pids[0]), "end of the worker")

    def test_finished_cells_of_an_interrupted_run_are_not_lost(
        self, suite: Path, kbench: Callable[..., Result], tmp_path: Path
    ) -> None:
        (planned,) = plan_suite(suite, "full", tmp_path / "results").cells
        folder = tmp_path / "results" / "demo" / "full" / planned.cell.id
        folder.mkdir(parents=True)
        write_record(folder, Record(planned.cell, "ok", versions={"training": 1, "operator": 1}))
        (folder / f"{NAME}.99.tmp").touch()
        before = (folder / "record.json").read_bytes()
        assert kbench("run", suite).exit_code == 0
        assert (folder / "record.json").read_bytes() == before
