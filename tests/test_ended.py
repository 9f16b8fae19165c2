"""What was read before is taken for what it is a copy of, as long as its folder is as it was."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kbench import ended as ended_module
from kbench.cell import Cell
from kbench.ended import NAME
from kbench.state import State, find_states


@pytest.fixture
def cells(demo_cell: Callable[..., Cell], finish: Callable[..., Path]) -> list[Cell]:
    """Return cells of which the first two have ended."""
    found = [demo_cell(seed) for seed in range(3)]
    finish(found[0])
    finish(found[1], status="oom", reason="too big")
    time.sleep(0.02)  # a tick of the file system's clock, so that what follows is seen
    return found


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two heads be worth writing down, and of folders that have just changed too."""
    monkeypatch.setattr(ended_module, "WORTH_WRITING", 2)
    monkeypatch.setattr(ended_module, "SETTLED_NS", -(10**9))


@pytest.fixture
def look(tmp_path: Path, cells: list[Cell]) -> Callable[[], list[State]]:
    """Return a function that looks at the cells as `kbench status` does."""
    return lambda: find_states(tmp_path / "results", cells, with_copies=True)


@pytest.fixture
def folder(tmp_path: Path, cells: list[Cell]) -> Path:
    return tmp_path / "results" / cells[0].suite / cells[0].scale


def overwrite(path: Path) -> None:
    """Change what a record says without changing anything in its folder."""
    path.write_text(path.read_text().replace('"status": "ok"', '"status": "failed"'))


def test_a_second_look_finds_the_same_without_opening_a_record(look, folder, cells) -> None:
    first = look()
    assert [state.kind for state in first] == ["done", "failed", "todo"]
    overwrite(folder / cells[0].id / "record.json")
    assert look() == first


def test_what_is_run_is_decided_by_the_records_alone(look, folder, cells, tmp_path) -> None:
    look()
    overwrite(folder / cells[0].id / "record.json")
    states = find_states(tmp_path / "results", cells)
    assert [state.kind for state in states] == ["failed", "failed", "todo"]


def test_a_record_that_was_replaced_is_read(look, cells, finish) -> None:
    look()
    finish(cells[1])
    assert [state.kind for state in look()] == ["done", "done", "todo"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("claim.json", "running"), ("progress.json", "running"), ("checkpoint.pt", "interrupted")],
)
def test_a_cell_that_is_begun_again_is_seen(look, folder, cells, name, kind) -> None:
    look()
    (folder / cells[0].id / name).write_text("{}")
    assert [state.kind for state in look()] == [kind, "failed", "todo"]


def test_a_record_that_was_deleted_is_missed(look, folder, cells) -> None:
    look()
    (folder / cells[0].id / "record.json").unlink()
    assert [state.kind for state in look()] == ["todo", "failed", "todo"]


def test_cells_of_another_version_are_judged_anew(look, monkeypatch) -> None:
    look()
    monkeypatch.setattr("kbench.state.TRAINING_VERSION", 99)
    assert look()[0].reason == "training version 1, now 99"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"a": 1}', '{"a": [1, 2, {}]}', "null"], ids=str
)
def test_copies_that_cannot_be_understood_are_not_used(look, folder, content) -> None:
    (folder / NAME).write_text(content)
    assert [state.kind for state in look()] == ["done", "failed", "todo"]
    assert len(json.loads((folder / NAME).read_text())) == 2


def test_a_folder_that_has_just_changed_is_not_remembered(look, folder, monkeypatch) -> None:
    monkeypatch.setattr(ended_module, "SETTLED_NS", 2 * 10**9)
    look()
    assert not (folder / NAME).exists()


def test_damaged_records_are_not_remembered(look, folder, cells, finish) -> None:
    finish(cells[2])
    (folder / cells[0].id / "record.json").write_text("{")
    assert [state.kind for state in look()] == ["unreadable", "failed", "done"]
    assert set(json.loads((folder / NAME).read_text())) == {cells[1].id, cells[2].id}


def test_few_heads_are_not_written_down(look, folder, monkeypatch) -> None:
    monkeypatch.setattr(ended_module, "WORTH_WRITING", 3)
    look()
    assert not (folder / NAME).exists()


def test_a_folder_that_cannot_be_written_is_no_problem(look, folder) -> None:
    (folder / NAME).mkdir()
    assert [state.kind for state in look()] == ["done", "failed", "todo"]
