import csv
import io
import json
from dataclasses import replace

import pytest

from kbench.report.data import render_csv, render_json
from kbench.report.statistics import Contrast


def test_csv_has_a_line_for_every_point_and_metric(table, plain_table):
    lines = list(csv.DictReader(io.StringIO(render_csv([table, plain_table]))))
    assert len(lines) == 3 * 3 + 2 * 4 * 2


def test_csv_has_full_precision(table):
    line = list(csv.DictReader(io.StringIO(render_csv([table]))))[1]
    assert (line["row"], line["column"], line["metric"]) == ("digits", "lc", "top1")
    # The shortest text that reads back as the same float.
    assert float(line["value"]) == pytest.approx(280 / 3, rel=1e-15)
    assert line["verdict"] == "match"


def test_what_is_missing_is_empty_in_csv_and_null_in_json(table):
    line = list(csv.DictReader(io.StringIO(render_csv([table]))))[4]
    point = json.loads(render_json([table]))[0]["points"][4]
    assert (line["published"], line["difference"]) == ("", "")
    assert (point["published"], point["difference"]) == (None, None)
    assert point["remarks"] == ["paper: no run"]


def test_tests_against_a_baseline_are_complete(table):
    contrast = Contrast("Welch's t-test", 0.5, 0.25, 0.01)
    first, *rest = table.entries[0]
    entries = ((replace(first, contrast=contrast), *rest), *table.entries[1:])
    points = json.loads(render_json([replace(table, entries=entries)]))[0]["points"]
    names = ("difference", "half_width", "p", "test")
    found = [[point[f"baseline_{name}"] for name in names] for point in points[:2]]
    assert found == [[0.5, 0.25, 0.01, "Welch's t-test"], [None] * 4]


def test_json_names_the_axes(plain_table):
    point = json.loads(render_json([plain_table]))[0]["points"][0]
    assert point["row"] == {"architecture": "resnet20_cifar", "dataset": "digits"}
    assert point["column"] == {"recipe.batch_size": "64", "operator": "conv"}


def test_json_has_a_point_on_a_line(table):
    assert render_json([table]).count('"suite": "demo"') == 1 + 9
    assert len(render_json([table]).splitlines()) == 9 + 4


def test_no_tables_are_an_empty_list():
    assert json.loads(render_json([])) == []
