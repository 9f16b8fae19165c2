"""Real processes: what goes wrong in one costs its own cell only."""

import importlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbench.cell import Cell, Choice, Limit
from kbench.checkpoint import NAME
from kbench.executors.local import (
    PREVIOUS_RECORD,
    Event,
    LocalExecutor,
    LocalSettings,
)
from kbench.machine import Machine
from kbench.recipe import Augmentation
from kbench.record import Record, read_record, record_path
from kbench.run_cell import run_cell
from kbench.state import find_states

Run = Callable[..., list[Event]]


@pytest.fixture
def own_cell(small_cell: Callable[..., Cell], own_module: str) -> Callable[..., Cell]:
    """Return a function that makes a cell with an operator of the user's own module."""
    importlib.import_module(own_module)

    def make(name: str, **changes: object) -> Cell:
        return small_cell(operator=Choice(name), imports=(own_module,), **changes)

    return make


@pytest.fixture
def executor(tmp_path: Path, machine: Machine) -> Callable[..., LocalExecutor]:
    """Return a function that makes an executor, with changed settings."""

    def make(**settings: object) -> LocalExecutor:
        own = Machine(machine.data_root, checkpoint_interval_s=0.02)
        return LocalExecutor(
            tmp_path / "results", LocalSettings(own, **settings), threading.Event()
        )

    return make


def finished(events: Iterator[Event]) -> dict[str, Record]:
    return {e.cell.operator.name: e.record for e in events if e.cell and e.record}


def state_of(tmp_path: Path, cell: Cell) -> str:
    return find_states(tmp_path / "results", [cell])[0].kind


class TestResult:
    def test_is_that_of_a_run_in_this_process(
        self,
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
        machine: Machine,
    ) -> None:
        record = finished(executor().run([small_cell()]))["conv"]
        assert record.status == "ok"
        assert record.weights_sha256 == run_cell(small_cell(), tmp_path, machine).weights_sha256
        folder = record_path(tmp_path / "results", small_cell()).parent
        names = {path.name for path in folder.iterdir()}
        assert names == {"record.json", "history.jsonl", "log.txt", "weights.pt"}
        assert read_record(folder / "record.json") == record

    @pytest.mark.slow
    def test_jobs_run_beside_each_other_and_no_more(
        self, own_cell: Callable[..., Cell], executor: Callable[..., LocalExecutor]
    ) -> None:
        running, most = executor(jobs=2), 0
        kinds = []
        for event in running.run([own_cell("slow", seed=seed) for seed in range(3)]):
            kinds.append(event.kind)
            most = max(most, len(running._running))
        assert kinds[:2] == ["start", "start"]
        assert most == 2
        assert kinds.count("finish") == 3


class TestWorkers:
    @pytest.fixture
    def pictures(self, tmp_path: Path) -> Path:
        """Return a folder of two classes with two training pictures and a test picture each."""
        generator = np.random.default_rng(0)
        for name in ("train/a/0", "train/a/1", "train/b/0", "train/b/1", "val/a/0", "val/b/0"):
            path = tmp_path / "pictures" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(path)
        return tmp_path / "pictures"

    @pytest.mark.parametrize("is_damaged", [False, True], ids=["whole", "damaged"])
    def test_processes_of_a_loader_end_with_their_cell(
        self,
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        pictures: Path,
        is_damaged: bool,
    ) -> None:
        if is_damaged:
            damaged = pictures / "train" / "b" / "1.png"
            damaged.write_bytes(damaged.read_bytes()[:100])
        cell = small_cell(
            dataset=Choice("image_folder", {"path": str(pictures)}),
            recipe={"loader": "torch", "batch_size": 2, "augmentation": Augmentation(size=16)},
            limit=Limit(),
        )
        (record,) = finished(executor().run([cell])).values()
        if is_damaged:
            assert record.status == "failed"
            assert "b/1.png' cannot be read" in record.reason
        else:
            assert record.status == "ok"


@pytest.mark.slow
class TestDevices:
    def test_cell_on_two_processes_has_its_record(
        self, small_cell: Callable[..., Cell], tmp_path: Path
    ) -> None:
        machine = Machine(tmp_path, devices=2)
        executor = LocalExecutor(tmp_path / "results", LocalSettings(machine), threading.Event())
        (record,) = finished(executor.run([small_cell()])).values()
        assert (record.status, record.environment["ranks"]) == ("ok", 2)
        folder = record_path(tmp_path / "results", small_cell()).parent
        assert not (folder / "checkpoint.pt").exists()
        assert not (folder / "progress.json").exists()

    def test_reason_of_a_failure_is_that_of_the_process_that_failed(
        self, small_cell: Callable[..., Cell], tmp_path: Path
    ) -> None:
        machine = Machine(tmp_path, devices=2)
        executor = LocalExecutor(tmp_path / "results", LocalSettings(machine), threading.Event())
        cell = small_cell(recipe={"sync_batch_norm": True})
        (record,) = finished(executor.run([cell])).values()
        assert record.status == "failed"
        assert "sync_batch_norm needs GPUs" in record.reason


class TestFailure:
    @pytest.mark.parametrize(
        ("name", "status", "reason"),
        [
            ("raising", "failed", "RuntimeError: no luck"),
            ("crashing", "failed", "killed by SIGSEGV"),
            ("greedy", "oom", "MemoryError: no more"),
            ("too-large", "oom", "can't allocate memory"),
            ("leaving", "failed", "ended without a result, exit status 0"),
        ],
    )
    def test_costs_its_own_cell_only(
        self,
        name: str,
        status: str,
        reason: str,
        own_cell: Callable[..., Cell],
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
    ) -> None:
        found = finished(executor().run([own_cell(name), small_cell()]))
        assert found["conv"].status == "ok"
        record = read_record(record_path(tmp_path / "results", own_cell(name)))
        assert record == found[name]
        assert record.status == status
        assert reason in record.reason
        assert not record.metrics

    def test_keeps_the_last_fifty_lines_of_the_log(
        self, own_cell: Callable[..., Cell], executor: Callable[..., LocalExecutor]
    ) -> None:
        tail = finished(executor().run([own_cell("raising")]))["raising"].log_tail
        assert len(tail) == 50
        assert "line 199" in tail
        assert tail[-1] == "and a second line"

    def test_killed_worker(
        self,
        own_cell: Callable[..., Cell],
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
    ) -> None:
        running = executor()
        found = {}
        for event in running.run([own_cell("hanging"), small_cell()]):
            if event.kind == "start" and event.cell == own_cell("hanging"):
                os.kill(running._running[0].process.pid, signal.SIGKILL)
            found |= finished(iter([event]))
        assert found["hanging"].reason == "killed by SIGKILL"
        assert found["conv"].status == "ok"

    def test_hanging_worker_is_killed_at_its_time_limit(
        self,
        own_cell: Callable[..., Cell],
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
    ) -> None:
        cells = [own_cell("hanging", suite="short"), small_cell()]
        found = finished(executor(time_limits={"short": 0.5}).run(cells))
        assert found["hanging"].status == "timeout"
        assert found["hanging"].reason == "over the time limit of 0.5 s"
        assert found["conv"].status == "ok"

    def test_fail_fast_starts_no_further_cell(
        self,
        own_cell: Callable[..., Cell],
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
    ) -> None:
        cells = [own_cell("raising"), small_cell()]
        assert set(finished(executor(fail_fast=True).run(cells))) == {"raising"}
        assert state_of(tmp_path, small_cell()) == "todo"

    def test_folder_that_cannot_be_made(
        self,
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
    ) -> None:
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "blocked").touch()
        cells = [small_cell(suite="blocked"), small_cell(seed=1)]
        records = [event.record for event in executor().run(cells) if event.record]
        assert [record.status for record in records] == ["failed", "ok"]
        assert "cannot be started: [Errno 20] Not a directory" in records[0].reason

    def test_record_that_cannot_be_written(
        self,
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
    ) -> None:
        (record_path(tmp_path / "results", small_cell()) / "in-the-way").mkdir(parents=True)
        cells = [small_cell(), small_cell(seed=1)]
        records = [event.record for event in executor().run(cells) if event.record]
        assert [record.status for record in records] == ["failed", "ok"]
        assert records[0].reason.endswith("record.json: cannot be written: Is a directory")


class TestFinishedRecord:
    def test_counts_whatever_becomes_of_its_process(
        self,
        own_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
    ) -> None:
        record = finished(executor().run([own_cell("dying-late")]))["dying-late"]
        assert record.status == "ok"
        assert read_record(record_path(tmp_path / "results", own_cell("dying-late"))) == record
        assert state_of(tmp_path, own_cell("dying-late")) == "done"

    def test_is_kept_when_making_it_anew_fails(
        self,
        own_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        finish: Callable[..., Path],
    ) -> None:
        path = finish(own_cell("raising"))
        old = path.read_bytes()
        assert finished(executor().run([own_cell("raising")]))["raising"].status == "failed"
        assert read_record(path).status == "failed"
        assert (path.parent / PREVIOUS_RECORD).read_bytes() == old

    def test_is_made_anew_from_the_first_step(
        self,
        small_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        finish: Callable[..., Path],
    ) -> None:
        path = finish(small_cell())
        (path.parent / NAME).write_bytes(b"left behind by a worker that died")
        os.utime(path.parent / NAME, (50.0, 50.0))
        assert finished(executor().run([small_cell()]))["conv"].status == "ok"
        assert not (path.parent / NAME).exists()


class TestStop:
    def stop_at_checkpoint(
        self, executor: LocalExecutor, cells: list[Cell], tmp_path: Path
    ) -> list[Event]:
        """Run until every cell has a checkpoint, then ask for an end."""
        folders = [record_path(tmp_path / "results", cell).parent for cell in cells]
        events = []
        for event in executor.run(cells):
            events.append(event)
            if all((folder / NAME).exists() for folder in folders):
                executor.stop.set()
        return events

    @pytest.mark.slow
    def test_cells_go_on_where_they_were(
        self,
        own_cell: Callable[..., Cell],
        executor: Callable[..., LocalExecutor],
        tmp_path: Path,
        machine: Machine,
    ) -> None:
        cells = [own_cell("slow", seed=seed) for seed in (0, 1)]
        events = self.stop_at_checkpoint(executor(jobs=2), cells, tmp_path)
        assert [event.kind for event in events].count("interrupt") == 2
        assert [state_of(tmp_path, cell) for cell in cells] == 2 * ["interrupted"]
        again = [event.record for event in executor(jobs=2).run(cells) if event.record]
        for record in again:
            alone = run_cell(record.cell, tmp_path / record.cell.id, machine)
            assert record.weights_sha256 == alone.weights_sha256

    def test_whoever_stops_iterating_kills_what_runs(
        self, own_cell: Callable[..., Cell], executor: Callable[..., LocalExecutor]
    ) -> None:
        running = executor()
        events = running.run([own_cell("hanging")])
        assert next(events).kind == "start"
        process = running._running[0].process
        events.close()
        process.join(timeout=30)
        assert process.exitcode == -signal.SIGKILL
