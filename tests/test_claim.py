"""Who may run a cell, when several processes and machines want to."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from kbench import claim as claim_module
from kbench.claim import (
    EXPIRY_S,
    GUARD,
    NAME,
    Claim,
    Owner,
    birth_of,
    file_system_time,
    kernel_name,
    read_owner,
    release,
    this_process,
)


@pytest.fixture
def leave(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that leaves a claim of another machine, refreshed some seconds ago."""

    def write(age_s: float, text: str | None = None, **changes: object) -> Path:
        path = tmp_path / NAME
        owner = Owner("other", "node7", "another kernel", 1234, "99", "12_3")
        path.write_text(text or json.dumps(asdict(replace(owner, **changes))))
        then = time.time() - age_s
        os.utime(path, (then, then))
        return path

    return write


class TestTake:
    def test_free_folder_is_taken_once(self, tmp_path: Path) -> None:
        assert Claim(tmp_path).take()
        assert not Claim(tmp_path).take()

    def test_released_folder_is_free(self, tmp_path: Path) -> None:
        first = Claim(tmp_path)
        assert first.take()
        first.release()
        assert not list(tmp_path.iterdir())
        assert Claim(tmp_path).take()

    def test_fresh_claim_of_another_machine_holds(
        self, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        path = leave(EXPIRY_S - 20)
        assert not Claim(tmp_path).take()
        assert str(read_owner(path)) == "process 1234 on node7, job 12_3"

    @pytest.mark.parametrize("text", [None, "", '{"token": "oth', '{"token": "other"}'], ids=repr)
    def test_stale_claim_expires_even_half_written(
        self, text: str | None, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        leave(EXPIRY_S + 20, text)
        mine = Claim(tmp_path)
        assert mine.take()
        assert read_owner(mine.path) == mine.owner
        assert [path.name for path in tmp_path.iterdir()] == [NAME]

    def test_guard_of_a_process_that_died_expires(
        self, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        leave(EXPIRY_S + 20)
        guard = tmp_path / GUARD
        guard.touch()
        assert not Claim(tmp_path).take()
        os.utime(guard, (100, 100))
        assert [Claim(tmp_path).take() for _ in range(3)] == [False, True, False]

    def test_half_written_claim_holds_until_it_expires(
        self, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        leave(0, '{"token": "oth')
        assert not Claim(tmp_path).take()

    def test_claim_of_a_dead_process_of_this_machine_is_stale_at_once(
        self, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        leave(0, kernel=kernel_name(), pid=os.getpid(), born="not when this process was")
        assert Claim(tmp_path).take()

    def test_claim_of_a_living_process_of_this_machine_holds(
        self, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        leave(0, kernel=kernel_name(), pid=os.getpid(), born=birth_of(os.getpid()))
        assert not Claim(tmp_path).take()

    @pytest.mark.parametrize("skew_s", [-7200, 7200], ids=["slow clock", "fast clock"])
    def test_clock_of_this_machine_does_not_matter(
        self,
        skew_s: float,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        now = time.time
        monkeypatch.setattr("time.time", lambda: now() + skew_s)
        path = tmp_path / NAME
        Claim(tmp_path, replace(this_process(), kernel="elsewhere")).take()
        assert not Claim(tmp_path).take()
        then = file_system_time(tmp_path) - EXPIRY_S - 1
        os.utime(path, (then, then))
        assert Claim(tmp_path).take()

    @pytest.mark.parametrize("is_stale", [False, True], ids=["free", "stale"])
    def test_one_of_many_gets_it(
        self, tmp_path: Path, leave: Callable[..., Path], *, is_stale: bool
    ) -> None:
        for _ in range(30):
            if is_stale:
                leave(EXPIRY_S + 20)
            claims = [Claim(tmp_path) for _ in range(8)]
            barrier = threading.Barrier(len(claims))

            def take(claim: Claim, barrier: threading.Barrier = barrier) -> bool:
                barrier.wait()
                return claim.take()

            with ThreadPool(len(claims)) as pool:
                taken = pool.map(take, claims, chunksize=1)
            assert taken.count(True) <= 1
            assert taken.count(True) + Claim(tmp_path).take() == 1
            (tmp_path / NAME).unlink()


class TestKeep:
    @pytest.fixture(autouse=True)
    def _fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(claim_module, "BEAT_S", 0.02)

    def test_claim_stays_fresh(self, tmp_path: Path) -> None:
        mine = Claim(tmp_path)
        mine.take()
        os.utime(mine.path, (100, 100))
        mine.keep(lambda: None)
        time.sleep(0.2)
        assert mine.path.stat().st_mtime > 100
        mine.release()
        time.sleep(0.05)
        assert not mine.path.exists()

    def test_owner_is_told_when_another_has_taken_over(
        self, tmp_path: Path, leave: Callable[..., Path]
    ) -> None:
        mine, lost = Claim(tmp_path), threading.Event()
        mine.take()
        mine.keep(lost.set)
        path = leave(0)
        assert lost.wait(10)
        assert mine.is_lost.is_set()
        mine.release()
        assert read_owner(path).token == "other"  # noqa: S105 - no password

    def test_claim_that_was_deleted_is_made_again(self, tmp_path: Path) -> None:
        mine = Claim(tmp_path)
        mine.take()
        mine.path.unlink()
        assert mine.refresh()
        assert read_owner(mine.path) == mine.owner


def test_released_is_only_the_claim_of_that_process(
    tmp_path: Path, leave: Callable[..., Path]
) -> None:
    release(tmp_path, 1234)
    path = leave(0)
    release(tmp_path, 1234)
    assert path.exists()
    leave(0, kernel=kernel_name())
    release(tmp_path, 1234)
    assert not path.exists()


def test_owner_says_which_task_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    assert this_process().job == "15"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert this_process().job == "12_3"


def test_process_that_has_ended_has_no_birth() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert birth_of(process.pid) == ""


def test_time_of_a_folder_that_cannot_be_written_is_this_machines(tmp_path: Path) -> None:
    assert abs(file_system_time(tmp_path / "gone") - time.time()) < 60
