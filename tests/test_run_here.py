"""Settings, signals and exit statuses of cells on this machine."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kbench.cell import Cell
from kbench.errors import ExecutorError
from kbench.executors.local import Event, LocalExecutor
from kbench.recipe import Recipe
from kbench.run_here import (
    check_batches,
    execute,
    make_settings,
    run_manifest,
    stop_on_signals,
    with_data,
)
from kbench.run_options import RunOptions


class TestSettings:
    def make(self, monkeypatch: pytest.MonkeyPatch, cores: int, **options: object) -> object:
        monkeypatch.setattr("kbench.machine.count_cores", lambda: cores)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        return make_settings({"a": 60, "b": None}, RunOptions(Path("results"), **options))

    @pytest.mark.parametrize(
        ("jobs", "threads"), [(None, 8), (1, 8), (3, 2), (8, 1), (20, 1)], ids=str
    )
    def test_threads_are_divided_among_the_jobs(
        self, jobs: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = self.make(monkeypatch, 8, jobs=jobs, device="cpu")
        assert (settings.jobs, settings.machine.threads) == (jobs or 1, threads)
        assert settings.gpus == ()

    def test_every_job_has_a_gpu_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
        settings = self.make(monkeypatch, 8, gpus="0, 2,3", jobs=2)
        assert (settings.gpus, settings.machine.device) == (("0", "2"), "cuda")
        with pytest.raises(
            ExecutorError,
            match="--jobs 4 --devices 1: a job has a GPU for each device, and 3 can be",
        ):
            self.make(monkeypatch, 8, gpus="0,2,3", jobs=4)

    @pytest.mark.parametrize(
        ("visible", "gpus", "device", "message"),
        [
            ("", "0", "auto", "--gpus 0: visible here are none"),
            ("0,1", "a,1", "auto", "--gpus a,1: visible here are 0, 1"),
            ("0,1", "7", "cuda", "--gpus 7: visible here are 0, 1"),
            ("0,1", "0", "cpu", "--gpus 0: visible here are none"),
        ],
        ids=["none", "no-number", "no-such", "cpu"],
    )
    def test_a_gpu_that_cannot_be_seen_is_refused(
        self,
        visible: str,
        gpus: str,
        device: str,
        message: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        with pytest.raises(ExecutorError, match=message):
            self.make(monkeypatch, 8, gpus=gpus, device=device)

    def test_a_gpu_may_be_named_by_its_uuid(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        assert self.make(monkeypatch, 8, gpus="GPU-5c2f", jobs=1).gpus == ("GPU-5c2f",)

    def test_devices_of_a_job_are_lent_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
        settings = self.make(monkeypatch, 8, gpus="0,1,2,3,4", processes=2)
        assert (settings.gpus, settings.jobs) == (("0,1", "2,3"), 2)
        assert (settings.machine.devices, settings.machine.threads) == (2, 2)

    def test_cpu_processes_share_the_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = self.make(monkeypatch, 8, device="cpu", processes=4)
        assert (settings.machine.devices, settings.machine.threads) == (4, 2)

    @pytest.mark.parametrize(("threads", "share"), [(16, 4), (6, 1), (1, 1)], ids=str)
    def test_threads_that_are_given_are_those_of_all_processes_of_a_cell(
        self, threads: int, share: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = self.make(monkeypatch, 2, device="cpu", processes=4, threads=threads)
        assert settings.machine.threads == share

    def test_option_overrules_the_time_limit_of_suites(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.make(monkeypatch, 1, device="cpu").time_limits == {"a": 60}
        limits = self.make(monkeypatch, 1, device="cpu", time_limit_s=5).time_limits
        assert limits == {"a": 5, "b": 5}


class TestSignals:
    @pytest.mark.parametrize(
        "numbers",
        [
            [signal.SIGUSR1],
            [signal.SIGTERM, signal.SIGUSR1],
            [signal.SIGUSR1, signal.SIGTERM],
            [signal.SIGUSR1, signal.SIGUSR1],
        ],
        ids=["USR1", "TERM, USR1", "USR1, TERM", "USR1, USR1"],
    )
    def test_what_slurm_and_its_script_send_asks_for_one_orderly_end(self, numbers) -> None:
        with stop_on_signals() as stop:
            for number in numbers:
                os.kill(os.getpid(), number)
            assert stop.is_set()
            assert stop.number == (signal.SIGTERM if signal.SIGTERM in numbers else None)

    def test_second_request_of_a_person_ends_at_once(self) -> None:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(SystemExit, match="130"):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [([], 0), (["elsewhere"], 75), (["interrupt"], 75)],
    ids=["nothing", "elsewhere", "interrupted"],
)
def test_exit_status_says_what_is_left(kinds, status, demo_cell, tmp_path, monkeypatch) -> None:
    events = [Event(kind, demo_cell()) for kind in kinds]
    monkeypatch.setattr(LocalExecutor, "run", lambda *_: iter(events))
    settings = make_settings({}, RunOptions(tmp_path, device="cpu"))
    assert execute([demo_cell()], settings, tmp_path) == status


def test_lines_with_a_newer_record_are_left_out(demo_cell, finish, tmp_path, monkeypatch) -> None:
    cells = [demo_cell(seed) for seed in range(3)]
    old = finish(cells[0])
    os.utime(old, (100, 100))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(f"{json.dumps(cell.to_json())}\n" for cell in cells))
    os.utime(manifest, (200, 200))
    finish(cells[1], status="failed")
    ran = []
    monkeypatch.setattr("kbench.run_here.execute", lambda cells, *_: ran.extend(cells) or 0)
    options = RunOptions(tmp_path / "results", device="cpu")
    assert run_manifest(manifest, range(3), options, remaining=True) == 0
    assert ran == [cells[0], cells[2]]


@pytest.mark.parametrize(
    ("batch_size", "is_refused"), [(64, False), (8, False), (63, True), (4, True)], ids=str
)
def test_batches_must_be_divided_equally(
    demo_cell: Callable[..., Cell], batch_size: int, is_refused: bool
) -> None:
    cell = demo_cell(recipe=Recipe(epochs=1, batch_size=batch_size, lr=0.1))
    if not is_refused:
        check_batches([cell], 4)
        return
    message = rf"batch_size \(={batch_size}\) must be a multiple of 4, the devices of a cell"
    with pytest.raises(ExecutorError, match=message):
        check_batches([cell], 4)


def test_statistics_for_other_channels_are_told_before_work_starts(
    demo_cell: Callable[..., Cell], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = demo_cell(recipe=Recipe(epochs=1, batch_size=4, lr=0.1, normalisation="imagenet"))
    assert with_data([demo_cell(), wrong], tmp_path) == [demo_cell()]
    assert "1 cells not run: normalisation 'imagenet' is for 3 channels" in capsys.readouterr().err
