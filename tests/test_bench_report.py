import json
from dataclasses import dataclass
from pathlib import Path

from kbench.bench_report import report_rows


@dataclass(frozen=True)
class Row:
    name: str
    speed: float
    peer: float | None


ROWS = [Row("memory", 65251.4, None), Row("torch", 0.123456, 2.0)]


def test_table_has_a_line_for_every_row() -> None:
    lines = report_rows(ROWS, None).splitlines()
    assert lines[0].split() == ["name", "speed", "peer"]
    assert [line.split() for line in lines[2:]] == [["memory", "65,251"], ["torch", "0.123", "2"]]


def test_file_says_where_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "rows.json"
    report_rows(ROWS, path)
    content = json.loads(path.read_text())
    assert content["rows"][0] == {"name": "memory", "speed": 65251.4, "peer": None}
    assert content["environment"]["cpu_cores"] >= 1
