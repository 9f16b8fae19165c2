from dataclasses import replace

import pytest

from kbench.cell import Choice
from kbench.errors import SuiteError
from kbench.report.collect import collect
from kbench.report.outcome import read_outcomes


def test_seeds_of_one_place_are_one_point(make_cell, make_suite, write, results):
    cells = [make_cell(dataset, seed=seed) for dataset in ("digits", "svhn") for seed in (0, 1)]
    for number, cell in enumerate(cells):
        write(cell, float(number))
    points = collect(read_outcomes(cells, results), make_suite().tables[0])
    assert [(point.row, point.column, point.sample("top1")) for point in points] == [
        (("digits",), ("conv",), {0: 0.0, 1: 1.0}),
        (("svhn",), ("conv",), {0: 2.0, 1: 3.0}),
    ]


@pytest.mark.parametrize("status", ["failed", "diverged", "oom", "timeout"])
def test_cells_that_are_not_ok_have_no_value(make_cell, make_suite, write, results, status):
    cells = [make_cell(seed=seed) for seed in range(3)]
    write(cells[0], 91.0)
    write(cells[1], 10.0, status, "why")
    point = collect(read_outcomes(cells, results), make_suite().tables[0])[0]
    assert point.sample("top1") == {0: 91.0}
    assert [outcome.status for outcome in point.outcomes] == ["ok", status, "missing"]


def test_a_table_takes_the_cells_that_it_asks_for(make_cell, make_suite, results):
    cells = [make_cell(dataset) for dataset in ("digits", "svhn")]
    spec = make_suite(where={"dataset": "svhn"}).tables[0]
    assert [point.row for point in collect(read_outcomes(cells, results), spec)] == [("svhn",)]


def test_a_cell_that_two_blocks_name_counts_once(make_cell, make_suite, results):
    points = collect(read_outcomes([make_cell(), make_cell()], results), make_suite().tables[0])
    assert len(points[0].outcomes) == 1


def test_a_point_that_would_mix_cells_names_the_axes_to_add(make_cell, make_suite, results):
    operators = [Choice("lc", {"expansion": size}, "lc") for size in (1, 8)]
    cells = [make_cell(operator=operator) for operator in operators]
    message = (
        r"table 'main': row 'digits', column 'lc' holds cells that differ in more than the seed;"
        r" add to rows, columns or where: operator.expansion"
    )
    with pytest.raises(SuiteError, match=message):
        collect(read_outcomes(cells, results), make_suite().tables[0])


def test_a_mean_over_an_axis_needs_all_of_its_cells(make_cell, make_suite, write, results):
    images = [Choice("digits", {"size": size}) for size in (8, 16)]
    cells = [make_cell(image, seed=seed) for image in images for seed in (0, 1)]
    for value, cell in zip((20.0, 30.0, 24.0), cells, strict=False):
        write(cell, value)
    spec = make_suite(rows="architecture", mean_over=["dataset"]).tables[0]
    (point,) = collect(read_outcomes(cells, results), spec)
    assert point.sample("top1") == {0: 22.0}


def test_labels_that_go_by_one_name_share_a_row(make_cell, make_suite, results):
    cells = [make_cell(Choice("digits", {"size": size}, f"d{size}")) for size in (8, 16)]
    cells[1] = replace(cells[1], operator=Choice("lc"))
    spec = make_suite(rename={"d8": "d", "d16": "d"}).tables[0]
    points = collect(read_outcomes(cells, results), spec)
    assert [(point.row, point.column) for point in points] == [
        (("d",), ("conv",)),
        (("d",), ("lc",)),
    ]
