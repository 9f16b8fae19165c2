import json

import pytest

from kbench.cell import Choice
from kbench.record_head import read_head


@pytest.fixture
def path(demo_cell, finish):
    return finish(demo_cell(evaluate=(Choice("test"), Choice("fgsm", {"epsilon": 0.01}))))


@pytest.mark.parametrize("with_metrics", [False, True], ids=["head", "metrics"])
def test_what_is_read_is_what_the_file_holds_of_it(path, with_metrics) -> None:
    whole = json.loads(path.read_text())
    head = read_head(str(path), with_metrics=with_metrics)
    for item in whole["cell"]["evaluate"]:
        del item["label"]
    rest = {"evaluate": whole["cell"]["evaluate"]}
    metrics = {"metrics": {"top1": {"value": 97.5}}} if with_metrics else {}
    names = ("schema_version", "id", "status", "reason", "versions", "started", "finished")
    assert head == {name: whole[name] for name in names} | {"cell": rest} | metrics


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": "1"},
        {"schema_version": True},
        {"id": 3},
        {"reason": None},
        {"versions": []},
        {"finished": "9"},
        {"metrics": {"top1": {"value": "97.5"}}},
        {"cell": {"evaluate": [{"name": "test"}]}},
    ],
    ids=str,
)
def test_a_file_of_another_shape_is_read_as_it_is(path, change) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert read_head(str(path), with_metrics=True) == json.loads(path.read_text())


@pytest.mark.parametrize("content", [b"", b"{", b"\x80", b'{"reason": "\xff"}'], ids=repr)
def test_what_is_no_json_is_refused(path, content) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Expecting|can't decode"):
        read_head(str(path))


def test_a_file_that_is_not_there_is_an_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_head(str(tmp_path / "none.json"))
