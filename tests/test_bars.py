import io

import pytest
from rich.console import Console

from kbench import bars
from kbench.bars import BarDisplay
from kbench.executors.local import Event
from kbench.progress import Progress, write_progress
from kbench.record import Record, record_path


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def progress(demo_cell, results):
    """Write how far the cell is."""
    directory = record_path(results, demo_cell()).parent
    directory.mkdir(parents=True)
    write_progress(directory, Progress(epoch=1.5, epochs=2, loss=0.25))
    return "epoch 1.5/2, loss 0.250"


@pytest.fixture
def terminal(monkeypatch):
    """Replace the terminal that bars are drawn on; gives what was written."""
    written = io.StringIO()
    monkeypatch.setattr(
        bars, "Console", lambda **_: Console(file=written, force_terminal=True, width=120)
    )
    return written


def test_bars_follow_the_cells(demo_cell, results, progress, terminal) -> None:
    cell = demo_cell()
    with BarDisplay(results, 2) as shown:
        shown.show(Event("start", cell))
        shown.show(Event("tick"))
        assert [task.description for task in shown.progress.tasks] == ["cells", cell.id]
        assert shown.progress.tasks[1].completed == 1.5
        assert shown.progress.tasks[1].fields["text"] == progress
        shown.show(Event("finish", cell, Record(cell, "oom", "[red]big", finished=2.0)))
        (suite,) = shown.progress.tasks
        assert (suite.completed, suite.fields["text"]) == (1, "1/2")
    assert f"oom       {cell.id}: [red]big, 2.0 s" in terminal.getvalue()


def test_an_interrupted_cell_is_not_counted(demo_cell, results, terminal) -> None:
    with BarDisplay(results, 2) as shown:
        shown.show(Event("start", demo_cell()))
        shown.show(Event("interrupt", demo_cell()))
        (suite,) = shown.progress.tasks
        assert (suite.completed, suite.fields["text"]) == (0, "0/2")
    assert f"stopped   {demo_cell().id}" in terminal.getvalue()


def test_a_cell_that_could_not_be_started_is_counted(demo_cell, results, terminal) -> None:
    with BarDisplay(results, 2) as shown:
        shown.show(Event("finish", demo_cell(), Record(demo_cell(), "failed", "no folder")))
        (suite,) = shown.progress.tasks
        assert (suite.completed, suite.fields["text"]) == (1, "1/2")
    assert "no folder" in terminal.getvalue()
