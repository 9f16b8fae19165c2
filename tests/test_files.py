import errno
import json
import os

import pytest

from kbench.files import replace_text, write_bytes, write_json


@pytest.mark.parametrize(
    "write",
    [write_bytes, lambda path, content: replace_text(path, content.decode())],
    ids=["bytes", "text"],
)
def test_a_file_is_replaced_and_nothing_else_left(tmp_path, write) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_sorted_keys_and_ends_with_a_line(tmp_path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [2.5]})
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text)) == ["a", "b"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_what_json_has_no_number_for_is_refused_and_the_old_file_stays(tmp_path, value) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        write_json(path, {"a": value})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch, call) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.json"
    path.write_text("old")
    monkeypatch.setattr(f"os.{call}", fail)
    with pytest.raises(OSError, match="No space left on device"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_results_wait_for_the_disk(tmp_path, monkeypatch) -> None:
    synced = []
    monkeypatch.setattr("os.fsync", synced.append)
    replace_text(tmp_path / "a", "x")
    assert synced == []
    write_bytes(tmp_path / "a", b"x")
    assert len(synced) == 1
