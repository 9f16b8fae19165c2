import json
from dataclasses import dataclass

import pytest

from kbench.bench.report import report_rows


@dataclass(frozen=True)
class Row:
    device: str
    name: str
    ratio: float | None


@pytest.fixture
def rows():
    return [Row("cpu", "fast", 0.25), Row("cpu", "unknown", None)]


def test_shared_fields_stand_once_above_the_table(rows):
    text = report_rows(rows, None, shared=("device",))
    head, _, *lines = text.splitlines()
    assert head == "device cpu"
    assert [line.split() for line in lines] == [
        ["name", "ratio"],
        ["-------", "-------"],
        ["fast", "0.25"],
        ["unknown"],
    ]


def test_without_shared_fields_there_is_only_the_table(rows):
    assert report_rows(rows, None).split()[:3] == ["device", "name", "ratio"]


def test_json_has_all_fields_and_the_environment(rows, tmp_path):
    report_rows(rows, tmp_path / "new" / "rows.json", shared=("device",))
    written = json.loads((tmp_path / "new" / "rows.json").read_text())
    assert written["rows"][0] == {"device": "cpu", "name": "fast", "ratio": 0.25}
    assert written["rows"][1]["ratio"] is None
    assert "torch" in written["environment"]["versions"]


def test_markdown_has_the_table_and_where_it_was_made(rows, tmp_path):
    report_rows(rows, None, tmp_path / "rows.md", ("device",))
    text = (tmp_path / "rows.md").read_text()
    assert "device cpu" in text
    assert "torch 2." in text
    assert [cell.strip() for cell in text.splitlines()[-2].split("|")] == ["", "fast", "0.25", ""]
