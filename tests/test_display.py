import time

import pytest

from kbench import display
from kbench.bars import BarDisplay
from kbench.display import PlainDisplay, choose_display
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


@pytest.mark.parametrize(("is_terminal", "kind"), [(True, BarDisplay), (False, PlainDisplay)])
def test_bars_are_for_terminals(results, monkeypatch, is_terminal, kind) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal, raising=False)
    assert type(choose_display(results, 3)) is kind


def test_plain_lines_say_what_happens_on_stderr(demo_cell, results, capsys) -> None:
    first, second = demo_cell(1), demo_cell(2)
    with PlainDisplay(results, 2) as shown:
        shown.show(Event("start", first))
        shown.show(Event("start", second))
        shown.show(Event("tick"))
        shown.show(Event("finish", first, Record(first, "oom", "too big", finished=2.0)))
        shown.show(Event("interrupt", second))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"start     {first.id}",
        f"start     {second.id}",
        f"oom       {first.id}: too big, 2.0 s (1/2)",
        f"stopped   {second.id}",
    ]


def test_a_running_cell_is_heard_of_every_half_minute(
    demo_cell, results, progress, capsys, monkeypatch
) -> None:
    clock = [time.monotonic()]
    monkeypatch.setattr(display.time, "monotonic", lambda: clock[0])
    shown = PlainDisplay(results, 1)
    shown.show(Event("start", demo_cell()))
    capsys.readouterr()
    for seconds, lines in ((29, 0), (2, 1), (29, 0), (2, 1)):
        clock[0] += seconds
        shown.show(Event("tick"))
        expected = [f"running   {demo_cell().id}: {progress}"] * lines
        assert capsys.readouterr().err.splitlines() == expected
