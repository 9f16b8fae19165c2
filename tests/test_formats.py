import pytest

from kbench.cost import Cost
from kbench.formats import (
    format_count,
    format_plan,
    format_progress,
    format_result,
    format_seconds,
    format_state,
    format_table,
    summarise_plan,
)
from kbench.plan import PlannedCell
from kbench.progress import Progress
from kbench.record import Measurement, Record
from kbench.state import State

COST = Cost(num_params=2**18, num_learnable_params=100, macs=1_500_000, train_images=1000)
TWO = "2 MiB of weights"
NINETY = ("1", "min", "30", "s", "why")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (60, "1 min 00 s"),
        (61.6, "1 min 02 s"),
        (3599.7, "1 h 00 min"),
        (3600, "1 h 00 min"),
        (90061, "25 h 01 min"),
    ],
    ids=str,
)
def test_durations_are_written_as_people_do(seconds, text) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (272_474, "272.47 k"),
        (11_173_962, "11.17 M"),
        (4.1e9, "4.10 G"),
        (2e12, "2.00 T"),
    ],
    ids=str,
)
def test_counts_have_prefixes(value, text) -> None:
    assert format_count(value) == text


def test_a_finished_cell_is_a_line(demo_cell) -> None:
    cell = demo_cell()
    top1 = {"top1": Measurement(97.456, "percent", "max")}
    done = Record(cell, "ok", metrics=top1, started=10.0, finished=12.5)
    failed = Record(cell, "timeout", "over the time limit of 5 s", finished=65.0)
    assert format_result(done) == f"ok        {cell.id}: top1 97.46, 2.5 s"
    assert format_result(failed) == (f"timeout   {cell.id}: over the time limit of 5 s, 1 min 05 s")
    unmeasured = Record(cell, "ok", finished=1.5)  # such as a cell of a speed table
    assert format_result(unmeasured) == f"ok        {cell.id}: 1.5 s"
    assert format_result(None) == ""


def test_progress_says_what_is_known() -> None:
    assert format_progress(Progress(epoch=0.0, epochs=3)) == "epoch 0.0/3"
    full = Progress(epoch=1.25, epochs=3, loss=0.5, metric=90.123, images_per_s=12345.6, eta_s=70)
    assert format_progress(full) == (
        "epoch 1.2/3, loss 0.500, top1 90.12, 12,346 images/s, 1 min 10 s left"
    )


def planned(cell, kind, estimate_s, cost=COST) -> PlannedCell:
    return PlannedCell(cell, State(kind, "why"), cost, estimate_s)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], "0 cells: none; to do: 0.00 h on one device, 0 MiB of weights"),
        (
            [("done", 3600.0), ("todo", 1800.0), ("failed", 3600.0)],
            "3 cells: 1 done, 1 todo, 1 failed; to do: 1.50 h on one device, 2 MiB of weights",
        ),
        (
            [("todo", 3600.0), ("todo", None)],
            f"2 cells: 2 todo; to do: 1.00 h on one device and 1 cells of unknown time, {TWO}",
        ),
        ([("todo", None)], "1 cells: 1 todo; to do: time not known yet, 1 MiB of weights"),
        ([("done", 1.0)], "1 cells: 1 done; to do: 0.00 h on one device, 0 MiB of weights"),
        ([("invalid", None)], "1 cells: 1 invalid; to do: 0.00 h on one device, 0 MiB of weights"),
    ],
    ids=str,
)
def test_a_plan_is_summed_up(demo_cell, items, text) -> None:
    found = [planned(demo_cell(seed), *item) for seed, item in enumerate(items)]
    assert summarise_plan(iter(found)) == text


def test_a_plan_has_a_line_for_every_cell(demo_cell) -> None:
    lines = format_plan(
        [planned(demo_cell(0), "todo", 90.0), planned(demo_cell(1), "invalid", None, None)]
    ).splitlines()
    assert lines[0].split() == ["state", "cell", "params", "MACs", "time", "reason"]
    assert lines[2].split() == ["todo", demo_cell(0).id, "262.14", "k", "1.50", "M", *NINETY]
    assert lines[3].split() == ["invalid", demo_cell(1).id, "?", "?", "?", "why"]
    assert lines[-1].startswith("2 cells: ")


def test_tables_leave_text_as_it_is() -> None:
    assert format_table(("a",), [("1e5",), ("007",)]).splitlines()[2:] == ["1e5", "007"]


@pytest.mark.parametrize(
    ("reason", "progress", "text"),
    [
        ("", None, ""),
        ("why", None, "why"),
        ("", Progress(1, 4), "epoch 1.0/4"),
        ("why", Progress(1, 4), "why; epoch 1.0/4"),
    ],
    ids=str,
)
def test_a_state_is_its_reason_and_how_far_the_cell_is(reason, progress, text) -> None:
    assert format_state(State("running", reason, progress)) == text
