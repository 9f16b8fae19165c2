import csv
import io
import json

from kbench.report.rows import render_rows

ROWS = [{"paper": "a|b", "count": 1}, {"paper": "c", "count": 20}]


def test_rows_are_the_same_in_every_format():
    assert json.loads(render_rows("json", ROWS)) == ROWS
    found = list(csv.DictReader(io.StringIO(render_rows("csv", ROWS))))
    assert [row["count"] for row in found] == ["1", "20"]
    lines = render_rows("markdown", ROWS).splitlines()
    assert [len(lines), r"a\|b" in lines[2]] == [4, True]


def test_no_rows_are_no_lines():
    assert json.loads(render_rows("json", [])) == []
    assert render_rows("markdown", []) == ""
