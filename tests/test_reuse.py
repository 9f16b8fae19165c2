"""Equal cells are trained once, whichever suite asks for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kbench.cell import Cell, Choice
from kbench.machine import Machine
from kbench.progress import read_history
from kbench.record import Record, record_path, write_record
from kbench.run_cell import run_cell

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def run(tmp_path: Path, machine: Machine) -> Callable[..., Record]:
    def run(cell: Cell, **changes: object) -> Record:
        folder = record_path(tmp_path, cell).parent
        record = run_cell(cell, folder, replace(machine, **changes))
        write_record(folder, record)
        return record

    return run


@pytest.fixture
def first(small_cell: Callable[..., Cell]) -> Cell:
    return small_cell(suite="first")


def test_another_suite_takes_the_result_over(
    first: Cell, tmp_path: Path, run: Callable[..., Record]
) -> None:
    first = replace(first, evaluate=(*first.evaluate, Choice("filters")))
    before, second = run(first), replace(first, suite="second")
    after = run(second)
    assert after.cell.suite == "second"
    assert after.environment["trained_for"] == "first"
    assert (after.metrics, after.weights_sha256) == (before.metrics, before.weights_sha256)
    folders = [record_path(tmp_path, cell).parent for cell in (first, second)]
    assert read_history(folders[0]) == read_history(folders[1])
    assert (folders[1] / "weights.pt").exists()
    maps = [(folder / "variance_map.npz").read_bytes() for folder in folders]
    assert maps[0] == maps[1]


def test_an_evaluation_that_was_added_runs_on_the_kept_weights(
    first: Cell, run: Callable[..., Record]
) -> None:
    before = run(first)
    more = replace(first, evaluate=(*first.evaluate, Choice("fgsm", {"epsilon": 0})))
    after = run(more)
    assert after.metrics["train_s"] == before.metrics["train_s"]
    # Without a change of the pixels, the attacked accuracy is the plain one.
    assert after.metrics["fgsm_top1"].value == pytest.approx(before.metrics["top1"].value)


@pytest.mark.parametrize(
    ("change", "machine_changes"),
    [({"seed": 7}, {}), ({"scale": "small"}, {}), ({"suite": "second"}, {"reuse": False})],
    ids=["seed", "scale", "asked-for"],
)
def test_anything_else_is_trained(
    first: Cell,
    run: Callable[..., Record],
    change: dict[str, object],
    machine_changes: dict[str, object],
) -> None:
    run(first)
    after = run(replace(first, **change), **machine_changes)
    assert "trained_for" not in after.environment


@pytest.mark.parametrize(
    "changes",
    [{"versions": {"training": 0, "operator": 0}}, {"status": "failed", "reason": "so"}],
    ids=["older-code", "failed"],
)
def test_a_result_that_does_not_count_is_not_taken_over(
    first: Cell, tmp_path: Path, run: Callable[..., Record], changes: dict[str, object]
) -> None:
    record = run(first)
    write_record(record_path(tmp_path, first).parent, replace(record, **changes))
    assert "trained_for" not in run(replace(first, suite="second")).environment
