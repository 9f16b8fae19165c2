"""One of the processes that run a cell together."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from kbench.cell import Cell
from kbench.executors import rank
from kbench.executors.rank import stop_with_parent
from kbench.executors.torchrun import JOB
from kbench.machine import Machine
from kbench.record import read_record

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@pytest.fixture
def _own_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rank, "WATCH_S", 0.01)
    previous = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
@pytest.mark.usefixtures("_own_handlers")
def test_a_signal_asks_for_a_checkpoint_and_an_end(number: signal.Signals) -> None:
    stop = stop_with_parent()
    assert not stop.is_set()
    signal.raise_signal(number)
    assert stop.is_set()


@pytest.mark.usefixtures("_own_handlers")
def test_a_process_whose_torchrun_is_gone_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getppid()
    stop = stop_with_parent()
    time.sleep(0.05)
    assert not stop.is_set()
    monkeypatch.setattr(rank.os, "getppid", lambda: parent + 1)
    assert stop.wait(10)


@pytest.mark.slow
def test_the_first_process_writes_the_record_and_its_output_ends_in_the_log(
    small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
) -> None:
    cell = small_cell()
    value = {
        "cell": cell.to_json(),
        "machine": {**asdict(machine), "data_root": str(machine.data_root)},
        "directory": str(tmp_path),
    }
    (tmp_path / JOB).write_text(json.dumps(value))
    where = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1"}
    environment = {**os.environ, "MASTER_PORT": "0", **{k: str(v) for k, v in where.items()}}
    command = [sys.executable, "-m", "kbench.executors.rank", str(tmp_path / JOB)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "log.txt").exists()
    record = read_record(tmp_path / "record.json")
    assert (record.cell, record.status, record.environment["ranks"]) == (cell, "ok", 1)
