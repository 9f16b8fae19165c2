import socket
import time

import pytest

from kbench.progress import Progress
from kbench.state import State
from kbench.status import SuiteStatus, format_status, read_status


def test_a_status_is_the_state_of_every_cell(write_suite, tmp_path, finish) -> None:
    path = write_suite(seeds=[0, 1, 2])
    results = tmp_path / "results"
    fresh = read_status(path, "full", results)
    assert fresh.counts() == {"todo": 3}
    finish(fresh.cells[1])
    status = read_status(path, "full", results)
    assert status.counts() == {"todo": 2, "done": 1}
    assert [state.kind for state in status.states] == ["todo", "done", "todo"]
    assert status.to_json() == {
        "suite": "demo",
        "scale": "full",
        "counts": {"todo": 2, "done": 1},
        "cells": {
            cell.id: {"state": state.kind, "reason": ""}
            for cell, state in zip(status.cells, status.states, strict=True)
        },
    }


@pytest.fixture
def running() -> Progress:
    host, now = socket.gethostname(), time.time()
    return Progress(epoch=1.5, epochs=4, loss=0.25, host=host, time=now)


def test_only_cells_that_need_a_word_have_a_line(demo_cell, running) -> None:
    cells = [demo_cell(seed) for seed in range(4)]
    states = [
        State("done"),
        State("failed", "oom: too big"),
        State("todo"),
        State("lost", "no sign of life", running),
    ]
    lines = format_status(SuiteStatus("demo", "small", cells, states)).splitlines()
    assert lines[0] == "demo (small): 4 cells: 1 done, 1 failed, 1 todo, 1 lost"
    assert [line.split()[:2] for line in lines[3:]] == [
        ["failed", cells[1].id],
        ["lost", cells[3].id],
    ]
    assert lines[3].endswith("oom: too big")
    assert lines[4].endswith("no sign of life; epoch 1.5/4, loss 0.250")


def test_nothing_to_say_is_one_line(demo_cell) -> None:
    text = format_status(SuiteStatus("demo", "full", [demo_cell()], [State("todo")]))
    assert text == "demo (full): 1 cells: 1 todo"
