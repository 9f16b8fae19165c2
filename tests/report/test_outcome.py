import json
from dataclasses import replace

import pytest

from kbench.catalogue import find_entry
from kbench.cell import Choice
from kbench.errors import RecordError
from kbench.record import TRAINING_VERSION as TRAINING
from kbench.record import record_path
from kbench.report.outcome import find_epochs, read_outcome, read_outcomes


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


def test_a_record_of_older_code_is_stale(make_cell, write, results):
    cells = [make_cell(seed=seed) for seed in range(2)]
    for cell in cells:
        write(cell, 91.0)
    path = record_path(results, cells[0])
    versions = {"training": TRAINING, "operator": find_entry("operator", "conv").version}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": versions}))
    path = record_path(results, cells[1])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": {"training": 0}}))
    assert [outcome.is_stale for outcome in read_outcomes(cells, results)] == [False, True]


def test_a_record_that_lacks_an_evaluation_is_not_of_older_code(make_cell, write, results):
    cell = make_cell()
    write(cell, 91.0)
    versions = {"training": TRAINING, "operator": find_entry("operator", "conv").version}
    path = record_path(results, cell)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": versions}))
    more = replace(cell, evaluate=(*cell.evaluate, Choice("filters")))
    assert not read_outcome(more, results).is_stale


def test_metrics_of_epochs_are_read_from_the_history(make_cell, make_suite, write, results):
    cell = make_cell()
    write(cell, 91.0)
    lines = [{"top1": 80.0, "sigma.layer1": 0.5}, {"top1": 91.0, "sigma.layer1": 0.6}]
    path = record_path(results, cell).with_name("history.jsonl")
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    epochs = find_epochs(make_suite(parts=["epoch2", "layer1", "epochs"]))
    assert epochs == {"epoch2"}
    metrics = read_outcome(cell, results, epochs).metrics
    assert metrics == {"top1": 91.0, "top1.epoch2": 91.0, "sigma.epoch2.layer1": 0.6}
