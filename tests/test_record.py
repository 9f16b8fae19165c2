import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kbench import record as record_module
from kbench.errors import RecordError
from kbench.record import Measurement, Record, measure, read_record, record_path, write_record


@pytest.fixture
def record(demo_cell) -> Record:
    return Record(
        demo_cell(),
        "ok",
        metrics={"top1": Measurement(97.5, "percent", "max")},
        environment={"host": "here", "versions": {"torch": "2"}},
        versions={"training": 1, "operator": 1},
        weights_sha256="ab",
        started=1.0,
        finished=2.5,
    )


def test_a_record_is_read_back(tmp_path, record) -> None:
    failed = replace(record, status="failed", reason="boom", metrics={}, log_tail=("a", "b"))
    for written in (record, failed):
        write_record(tmp_path, written)
        assert read_record(tmp_path / "record.json") == written


def test_the_file_holds_schema_version_and_id(tmp_path, record) -> None:
    write_record(tmp_path, record)
    value = json.loads((tmp_path / "record.json").read_text())
    assert (value["schema_version"], value["id"]) == (1, record.cell.id)
    assert value["metrics"]["top1"] == {"value": 97.5, "unit": "percent", "direction": "max"}


def test_the_docstring_names_every_key(record) -> None:
    assert all(f"`{key}`" in record_module.__doc__ for key in record.to_json())


def test_records_lie_by_suite_scale_and_cell(tmp_path, demo_cell) -> None:
    cell = demo_cell()
    assert record_path(tmp_path, cell) == tmp_path / "demo" / "full" / cell.id / "record.json"


def test_measurements_have_unit_and_direction() -> None:
    assert measure({"loss": 0.5}) == {"loss": Measurement(0.5, "nats", "min")}


@pytest.mark.parametrize("version", [0, 2, "1", None], ids=repr)
def test_another_schema_is_refused(tmp_path, record, version) -> None:
    value = record.to_json() | {"schema_version": version}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(value))
    expected = rf"record\.json: schema version {version!r}; this kbench reads 1"
    with pytest.raises(RecordError, match=expected):
        read_record(path)


DAMAGED = {
    "empty": ("", "not a readable record: Expecting value"),
    "half": ('{"schema_version": 1, "id"', "not a readable record: "),
    "binary": ("\x80\x81", "not a readable record: "),
    "list": ("[]", "schema version None"),
    "number": ("3", "schema version None"),
    "keys": ('{"schema_version": 1}', "other keys than a record has: .*'cell'"),
}


@pytest.mark.parametrize(("text", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_refused(tmp_path, text, message) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match=rf"record\.json: {message}"):
        read_record(path)


def test_a_missing_file_is_refused(tmp_path) -> None:
    with pytest.raises(RecordError, match=r"record\.json: not a readable record: .*No such file"):
        read_record(tmp_path / "record.json")


def places(value: object, loc: tuple = ()) -> Iterator[tuple]:
    """Yield where every value of nested mappings and lists lies."""
    yield loc
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*loc, key))


def put(value: object, loc: tuple, item: object) -> object:
    """Return nested mappings and lists with one value replaced."""
    if not loc:
        return item
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[loc[0]] = put(value[loc[0]], loc[1:], item)
    return changed


@pytest.mark.parametrize("item", [None, 3, "text", [], {}, {"a": None}], ids=repr)
def test_a_value_of_another_kind_is_never_misread(tmp_path, record, item) -> None:
    value = json.loads(json.dumps(record.to_json()))
    path = tmp_path / "record.json"
    for loc in places(value):
        path.write_text(json.dumps(put(value, loc, item)))
        try:
            found = read_record(path)
        except RecordError:
            continue
        assert found.cell.id == record.cell.id
        assert all(isinstance(m.value, int | float) for m in found.metrics.values())
        assert found.finished - found.started >= -10
        assert (found.status, isinstance(found.reason, str)) == ("ok", True)


def test_a_record_of_another_configuration_is_refused(tmp_path, record, demo_cell) -> None:
    value = record.to_json() | {"cell": demo_cell(seed=9).to_json()}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(value))
    with pytest.raises(RecordError, match="is not that of its configuration, 'digits-"):
        read_record(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"status": "fine"}, "status"),
        ({"started": None, "finished": "x"}, "started, finished"),
        ({"log_tail": "x"}, "log_tail"),
        ({"metrics": {"top1": {"value": None, "unit": "", "direction": ""}}}, "top1"),
    ],
    ids=lambda change: str(change)[:20],
)
def test_what_a_record_does_not_hold_is_named(tmp_path, record, change, named) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record.to_json() | change))
    with pytest.raises(RecordError, match=f"not what a record holds: {named}$"):
        read_record(path)


def test_a_full_disk_is_told_and_keeps_the_old_record(tmp_path, record, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_record(tmp_path, record)
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(RecordError, match=r"record\.json: cannot be written: No space left"):
        write_record(tmp_path, replace(record, reason="new"))
    assert read_record(tmp_path / "record.json") == record
