from dataclasses import replace

import pytest

from kbench.cell import Limit
from kbench.report.best import find_best
from kbench.report.collect import collect
from kbench.report.outcome import read_outcomes


@pytest.fixture
def find(make_suite, results):
    def find(cells, **table):
        spec = make_suite(**table).tables[0]
        return find_best(collect(read_outcomes(cells, results), spec), spec)

    return find


def test_the_best_is_sought_in_each_row_and_metric(make_cell, write, find):
    numbers = {"digits": (90.0, 91.0), "svhn": (50.0, 40.0)}
    cells = []
    for dataset, values in numbers.items():
        for operator, value in zip(("conv", "lc"), values, strict=True):
            cells.append(make_cell(dataset, operator))
            write(cells[-1], {"top1": value, "loss": value})
    ranks = find(cells, metric=["top1", "loss"]).ranks
    best = {place for place, rank in ranks.items() if rank == "best"}
    assert best == {
        (("digits",), ("lc",), "top1"),
        (("digits",), ("conv",), "loss"),
        (("svhn",), ("conv",), "top1"),
        (("svhn",), ("lc",), "loss"),
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"precision": "bf16"}, "precision bf16 instead of fp32"),
        ({"batch_size": 64}, "batch_size 64 instead of 256"),
        ({"limit": Limit(100, None)}, "limit 100 train, all test instead of all train, all test"),
        ({"scale": "small"}, "scale small instead of full"),
    ],
    ids=["precision", "batch-size", "limit", "scale"],
)
def test_what_came_about_otherwise_is_not_compared(make_cell, write, find, changes, text):
    cells = [make_cell(operator=name) for name in ("conv", "lc", "niff")]
    recipe = {k: v for k, v in changes.items() if k in ("precision", "batch_size")}
    rest = {k: v for k, v in changes.items() if k not in recipe}
    cells[2] = replace(cells[2], recipe=replace(cells[2].recipe, **recipe), **rest)
    for cell in cells:
        write(cell, 91.0)
    standings = find(cells)
    assert not standings.ranks
    place = (("digits",), ("niff",), "top1")
    assert standings.remarks == {place: f"{text}: not compared with the rest of its row"}


def test_an_axis_of_the_table_is_compared_openly(make_cell, write, find):
    cell = make_cell()
    cells = [cell, replace(cell, recipe=replace(cell.recipe, precision="bf16"))]
    for value, other in enumerate(cells):
        write(other, float(value))
    standings = find(cells, columns="recipe.precision")
    assert not standings.remarks
    assert standings.ranks[("digits",), ("bf16",), "top1"] == "best"
