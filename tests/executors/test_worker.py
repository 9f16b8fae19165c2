"""What a worker does before and after the training."""

import importlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kbench.cell import Cell, Choice
from kbench.checkpoint import NAME, PREVIOUS
from kbench.claim import Claim, birth_of, read_owner, this_process
from kbench.errors import InterruptedCellError
from kbench.executors.worker import claim, clear, clear_up, import_extensions, record_stamp
from kbench.progress import Progress, write_progress
from kbench.record import Record, write_record
from kbench.registry import OPERATORS


class TestClaim:
    @pytest.fixture
    def held(self, tmp_path: Path) -> Claim:
        """Hold a folder as another living process of this machine would."""
        parent = replace(this_process(), pid=os.getppid(), born=birth_of(os.getppid()))
        other = Claim(tmp_path, parent)
        assert other.take()
        return other

    def test_free_folder_is_taken_at_once(self, tmp_path: Path) -> None:
        mine = claim(tmp_path, threading.Event())
        assert mine is not None
        assert read_owner(mine.path) == mine.owner
        mine.release()

    def test_waits_until_the_other_process_is_gone(self, tmp_path: Path, held: Claim) -> None:
        timer = threading.Timer(0.3, held.path.unlink)
        begun = time.monotonic()
        timer.start()
        mine = claim(tmp_path, threading.Event())
        assert time.monotonic() - begun >= 0.3
        assert mine is not None
        mine.release()

    @pytest.mark.usefixtures("held")
    def test_stops_waiting_when_asked(self, tmp_path: Path) -> None:
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(InterruptedCellError, match="stopped while another process runs it"):
            claim(tmp_path, stop)

    def test_does_not_wait_for_another_machine_that_is_alive(
        self, tmp_path: Path, capsys: pytest.CaptureFixture
    ) -> None:
        other = Claim(tmp_path, replace(this_process(), kernel="elsewhere", host="node7"))
        assert other.take()
        threading.Timer(0.3, other.refresh).start()
        assert claim(tmp_path, threading.Event()) is None
        assert "on node7" in capsys.readouterr().err

    def test_signs_of_life_of_others_are_not_cleared_up(self, tmp_path: Path, held: Claim) -> None:
        write_progress(tmp_path, Progress(0.5, 2))
        clear_up(tmp_path, 2**30)  # no process has such a number
        assert {path.name for path in tmp_path.iterdir()} == {"claim.json", "progress.json"}
        clear_up(tmp_path, os.getpid())
        clear_up(tmp_path, held.owner.pid)
        assert not list(tmp_path.iterdir())


class TestClear:
    @pytest.fixture
    def checkpoints(self, tmp_path: Path) -> list[Path]:
        paths = [tmp_path / NAME, tmp_path / PREVIOUS]
        for path in paths:
            path.touch()
            os.utime(path, (50.0, 50.0))
        return paths

    def write(self, folder: Path, cell: Cell, status: str) -> None:
        write_record(folder, Record(cell, status))

    @pytest.mark.parametrize("status", ["ok", "diverged"])
    def test_result_makes_an_older_checkpoint_useless(
        self, status: str, tmp_path: Path, checkpoints: list[Path], demo_cell: Callable[..., Cell]
    ) -> None:
        self.write(tmp_path, demo_cell(), status)
        clear(tmp_path)
        assert not any(path.exists() for path in checkpoints)

    @pytest.mark.parametrize("status", ["failed", "oom", "timeout"])
    def test_failed_cell_goes_on_from_its_checkpoint(
        self, status: str, tmp_path: Path, checkpoints: list[Path], demo_cell: Callable[..., Cell]
    ) -> None:
        self.write(tmp_path, demo_cell(), status)
        clear(tmp_path)
        assert all(path.exists() for path in checkpoints)

    def test_interrupted_rerun_goes_on_from_its_checkpoint(
        self, tmp_path: Path, checkpoints: list[Path], demo_cell: Callable[..., Cell]
    ) -> None:
        self.write(tmp_path, demo_cell(), "ok")
        os.utime(tmp_path / "record.json", (40.0, 40.0))
        clear(tmp_path)
        assert all(path.exists() for path in checkpoints)

    def test_record_of_another_schema_makes_a_checkpoint_useless(
        self, tmp_path: Path, checkpoints: list[Path]
    ) -> None:
        (tmp_path / "record.json").write_text('{"schema_version": 99}')
        clear(tmp_path)
        assert not any(path.exists() for path in checkpoints)

    def test_half_written_files_are_removed(self, tmp_path: Path, checkpoints: list[Path]) -> None:
        (tmp_path / "checkpoint.new.pt.123.tmp").touch()
        clear(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted(checkpoints)


def test_stamp_changes_with_every_record(tmp_path: Path, demo_cell: Callable[..., Cell]) -> None:
    stamps = [record_stamp(tmp_path)]
    for _ in range(2):
        write_record(tmp_path, Record(demo_cell(), "ok"))
        stamps.append(record_stamp(tmp_path))
    assert stamps[0] is None
    assert len(set(stamps)) == 3


class TestExtensions:
    def test_modules_of_the_cell_are_imported(
        self, own_module: str, demo_cell: Callable[..., Cell]
    ) -> None:
        import_extensions(demo_cell(operator=Choice("slow"), imports=(own_module,)))
        assert "slow" in OPERATORS

    def test_entry_points_are_imported_for_a_name_that_is_not_known(
        self, tmp_path: Path, own_module: str, demo_cell: Callable[..., Cell]
    ) -> None:
        package = tmp_path / "modules" / "going_wrong-1.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Name: going_wrong\nVersion: 1.0\n")
        (package / "entry_points.txt").write_text(f"[kbench.operators]\nany = {own_module}\n")
        importlib.import_module("kbench.run_cell")  # as the fork server has, for all known names
        import_extensions(demo_cell())
        assert "slow" not in OPERATORS
        import_extensions(demo_cell(operator=Choice("slow")))
        assert "slow" in OPERATORS
