import json
import os
import socket
import time
from dataclasses import asdict

import pytest

from kbench import state as state_module
from kbench.cell import Choice
from kbench.progress import Progress, write_progress
from kbench.record import record_path
from kbench.state import find_states


@pytest.fixture
def cell(demo_cell):
    return demo_cell()


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def begin(results):
    """Return a function that writes the progress of a cell, as another process might."""

    def write(cell, **changes: object):
        directory = record_path(results, cell).parent
        directory.mkdir(parents=True, exist_ok=True)
        given = {"epoch": 0.5, "epochs": 2, "time": time.time(), "host": socket.gethostname()}
        progress = Progress(**(given | {"pid": os.getpid()} | changes))
        path = directory / "progress.json"
        path.write_text(json.dumps(asdict(progress)))
        os.utime(path, (progress.time, progress.time))
        return directory

    return write


def only(results, cell):
    (state,) = find_states(results, [cell])
    return state


def test_nothing_is_there_yet(results, cell) -> None:
    assert only(results, cell).kind == "todo"
    record_path(results, cell).parent.mkdir(parents=True)
    assert only(results, cell).kind == "todo"


def test_a_results_folder_that_is_a_file_holds_nothing(results, cell) -> None:
    results.write_text("x")
    assert only(results, cell).kind == "todo"


def test_a_cell_with_a_good_record_is_done(results, cell, finish) -> None:
    finish(cell)
    state = only(results, cell)
    assert (state.kind, state.reason, state.wall_s) == ("done", "", 7.5)


@pytest.mark.parametrize("status", ["failed", "diverged", "oom", "timeout"])
def test_a_cell_that_ended_otherwise_has_failed_and_says_why(results, cell, finish, status) -> None:
    finish(cell, status=status, reason="something", metrics={})
    state = only(results, cell)
    assert (state.kind, state.reason, state.wall_s) == ("failed", f"{status}: something", 7.5)


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"training": 0, "operator": 1}, "training version 0, now 1"),
        ({"training": 1, "operator": 0}, "operator version 0, now 1"),
        ({"training": 0, "operator": 9}, "training version 0, now 1; operator version 9, now 1"),
        ({}, "training version None, now 1; operator version None, now 1"),
    ],
    ids=str,
)
def test_a_result_of_another_version_is_stale(results, cell, finish, versions, reason) -> None:
    finish(cell, versions=versions)
    state = only(results, cell)
    assert (state.kind, state.reason) == ("stale", reason)


def test_a_result_without_an_evaluation_is_stale(results, demo_cell, finish) -> None:
    fgsm = Choice("fgsm", {"epsilon": 0.01})
    finish(demo_cell(evaluate=(Choice("test"), Choice("fgsm"))))
    more = demo_cell(evaluate=(Choice("test"), fgsm))
    state = only(results, more)
    assert (state.kind, state.reason) == ("stale", "evaluation fgsm-epsilon=0.01 added")
    assert only(results, demo_cell()).kind == "done"


def test_labels_make_nothing_stale(results, demo_cell, finish) -> None:
    finish(demo_cell())
    renamed = demo_cell(
        operator=Choice("conv", {}, "baseline"), evaluate=(Choice("test", {}, "x"),)
    )
    assert only(results, renamed).kind == "done"


DAMAGED = {
    "empty": b"",
    "half": b'{"schema_version": 1, "id": ',
    "binary": b"\x80",
    "list": b"[]",
    "keys-missing": b'{"schema_version": 1}',
    "null": b"null",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_record_is_unreadable(results, cell, content) -> None:
    path = record_path(results, cell)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    state = only(results, cell)
    assert state.kind == "unreadable"
    assert state.reason


@pytest.mark.parametrize("key", ["id", "status", "finished", "started", "versions", "cell"])
@pytest.mark.parametrize("value", [None, {"a": 1}, "x", []], ids=repr)
def test_a_record_of_another_shape_is_never_done(results, cell, finish, key, value) -> None:
    path = finish(cell)
    written = json.loads(path.read_text())
    path.write_text(json.dumps(written | {key: value}))
    assert only(results, cell).kind != "done"
    del written[key]
    path.write_text(json.dumps(written))
    assert only(results, cell).kind == "unreadable"


def test_a_record_of_another_schema_is_unreadable(results, cell, finish) -> None:
    path = finish(cell)
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    state = only(results, cell)
    assert (state.kind, state.reason) == ("unreadable", "schema version 2; this kbench reads 1")


def test_a_record_of_another_cell_is_unreadable(results, demo_cell, finish) -> None:
    path = finish(demo_cell(7))
    target = record_path(results, demo_cell())
    target.parent.mkdir()
    target.write_bytes(path.read_bytes())
    state = only(results, demo_cell())
    assert (state.kind, state.reason) == ("unreadable", f"it is of cell '{demo_cell(7).id}'")


def test_a_cell_with_a_living_process_runs(results, cell) -> None:
    directory = record_path(results, cell).parent
    directory.mkdir(parents=True)
    write_progress(directory, Progress(epoch=0.5, epochs=2))
    state = only(results, cell)
    assert (state.kind, state.progress.epoch) == ("running", 0.5)


@pytest.mark.parametrize(("age_s", "kind"), [(30, "running"), (90, "lost")], ids=str)
@pytest.mark.parametrize("host", ["elsewhere", "here"])
def test_a_silent_cell_is_lost_after_a_minute(results, cell, begin, age_s, kind, host) -> None:
    name = socket.gethostname() if host == "here" else host
    begin(cell, host=name, time=time.time() - age_s, pid=os.getpid())
    assert only(results, cell).kind == kind


def test_a_lost_cell_says_where_it_was_and_since_when(results, cell, begin) -> None:
    begin(cell, host="elsewhere", time=time.time() - 300)
    assert only(results, cell).reason == "no sign of life from elsewhere for 5 min"


def test_a_running_cell_says_where_it_is_and_when_it_was_heard_of(results, cell, begin) -> None:
    begin(cell, host="elsewhere", time=time.time() - 30)
    assert only(results, cell).reason in {
        f"sign of life from elsewhere {age_s} s ago" for age_s in (30, 31)
    }


def test_a_cell_whose_process_is_gone_is_interrupted(results, cell, begin, monkeypatch) -> None:
    monkeypatch.setattr(state_module, "_is_alive", lambda pid: pid != 4_000_000)
    begin(cell, pid=4_000_000)
    state = only(results, cell)
    assert (state.kind, state.reason) == ("interrupted", "its process is gone")


def test_a_cell_with_a_checkpoint_is_interrupted(results, cell) -> None:
    directory = record_path(results, cell).parent
    directory.mkdir(parents=True)
    (directory / "checkpoint.pt").touch()
    state = only(results, cell)
    assert (state.kind, state.reason) == ("interrupted", "goes on from its checkpoint")


def test_what_a_worker_left_behind_a_finished_record_does_not_count(
    results, cell, finish, begin
) -> None:
    directory = begin(cell, pid=4_000_000, time=time.time() - 10)
    (directory / "checkpoint.pt").touch()
    os.utime(directory / "checkpoint.pt", (100, 100))
    finish(cell)
    assert only(results, cell).kind == "done"


@pytest.mark.parametrize(("status", "kind"), [("ok", "done"), ("failed", "failed")])
def test_a_cell_that_is_run_again_is_what_its_new_run_is(
    results, cell, finish, begin, status, kind
) -> None:
    path = finish(cell, status=status)
    os.utime(path, (100, 100))
    assert only(results, cell).kind == kind
    (path.parent / "checkpoint.pt").touch()
    assert only(results, cell).kind == "interrupted"
    begin(cell)
    assert only(results, cell).kind == "running"


def test_states_come_in_the_order_of_the_cells(results, demo_cell, finish) -> None:
    cells = [demo_cell(seed) for seed in range(4)]
    finish(cells[2])
    finish(cells[1], status="oom")
    kinds = [state.kind for state in find_states(results, cells)]
    assert kinds == ["todo", "failed", "done", "todo"]
    assert find_states(results, []) == []


@pytest.mark.parametrize("slow_s", [0.0, 3600.0], ids=["many readers", "one reader"])
def test_many_cells_are_read_alike_whatever_the_file_system(
    results, demo_cell, finish, monkeypatch, slow_s
) -> None:
    monkeypatch.setattr(state_module, "SLOW_S", slow_s)
    monkeypatch.setattr(state_module, "SLICE", 3)
    cells = [demo_cell(seed) for seed in range(11)]
    for cell in cells[::2]:
        finish(cell, finished=200.0 + cell.seed)
    states = find_states(results, cells)
    assert [state.kind for state in states] == [*(5 * ["done", "todo"]), "done"]
    assert [state.wall_s for state in states[::2]] == [100.0 + seed for seed in range(0, 11, 2)]
