import json

import pytest

from kbench.cell import Choice
from kbench.errors import RecordError, SuiteError
from kbench.record import record_path
from kbench.report.collect import collect, read_outcome, read_outcomes


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 0}, "schema version 0; this kbench reads 1"),
        ({"id": "other"}, "holds cell 'other', not 'digits-resnet20_cifar-conv-s0-"),
        ({"status": "fine"}, "unknown status 'fine'"),
        ({"metrics": {"top1": 91.0}}, "not what this version of kbench writes"),
        ({"metrics": {"top1": {"value": "high"}}}, "not what this version of kbench writes"),
    ],
    ids=["schema", "id", "status", "metrics", "value"],
)
def test_a_record_that_is_not_as_written_is_refused(make_cell, write, results, change, message):
    cell = make_cell()
    write(cell, 91.0)
    path = record_path(results, cell)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=f"record.json: {message}"):
        read_outcome(cell, results)


@pytest.mark.parametrize("content", ["", "{", "\xff", "[" * 9], ids=repr)
def test_a_damaged_record_is_refused(make_cell, write, results, content):
    cell = make_cell()
    write(cell, 91.0)
    record_path(results, cell).write_text(content, encoding="latin-1")
    with pytest.raises(RecordError, match=r"record.json: not a readable record"):
        read_outcome(cell, results)


def test_all_damaged_records_are_named(make_cell, write, results):
    cells = [make_cell(seed=seed) for seed in range(3)]
    for cell in cells:
        write(cell, 91.0)
        record_path(results, cell).write_text("")
    with pytest.raises(RecordError, match=r"(?s)(s[012]-.*not a readable record.*){3}"):
        read_outcomes(cells, results)


def test_a_results_folder_that_is_a_file_has_no_records(make_cell, results):
    results.write_text("")
    assert read_outcome(make_cell(), results).status == "missing"
