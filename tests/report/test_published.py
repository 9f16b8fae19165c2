from pathlib import Path

import pytest

from kbench.errors import SuiteError
from kbench.report.published import read_published

FOLDER = Path(__file__).parents[2] / "suites" / "published"
HEAD = """\
paper: demo
citation: {title: T, authors: [A], venue: V, year: 2024, arxiv: null, doi: null, code: null,
  code_licence: null}
tables:
  - id: table1
    source: Table 1
    title: T
    metric: top1
    unit: percent
    higher_is_better: true
    protocol: {runs: null, spread: none, selection: last}
    rows: [{id: a, label: A}]
    columns: [{id: x, label: X}]
    cells:
"""
CELL = "      - {row: a, column: x, value: 91.5, evidence: table}\n"


# Counts of the published files: tables and cells.
@pytest.mark.parametrize(
    ("paper", "tables", "cells"),
    [
        ("flexconv", 23, 1023),
        ("gmconv", 9, 65),
        ("lc", 8, 97),
        ("niff", 10, 200),
        ("njet", 31, 816),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_published_file_loads(paper, tables, cells):
    published = read_published(FOLDER / f"{paper}.yaml")
    assert len(published.tables) == tables
    assert sum(len(table.cells) for table in published.tables) == cells


def test_a_number_is_found_by_row_column_and_metric():
    table = read_published(FOLDER / "lc.yaml").table("table2")
    # LC, Table 2: LC x64, frozen random, top-5.
    assert table.numbers["lc_x64", "frozen_top5", "top5"].value == 90.57


def test_numbers_are_known_as_the_file_writes_them():
    published = read_published(FOLDER / "njet.yaml")
    # N-Jet, Table 4: the baseline's size is printed as 6.90.
    cell = published.table("table4").numbers["resnet110_params", "baseline", "params_m"]
    assert (cell.text, cell.rounding) == ("6.90", 0.005)
    cells = [cell for table in published.tables for cell in table.cells]
    assert all((cell.text is None) == (cell.value is None) for cell in cells)


def test_a_table_of_differences_says_so():
    table = read_published(FOLDER / "gmconv.yaml").table("text_claims")
    assert table.kind == "delta"
    # GMConv's abstract: gain on AlexNet.
    assert table.numbers["alexnet", "gmconv_minus_conv", "top1"].value == 0.98


def test_an_unknown_table_is_named_with_the_nearest():
    with pytest.raises(SuiteError, match=r"no published table 'tabel2' \(did you mean 'table2'"):
        read_published(FOLDER / "lc.yaml").table("tabel2")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (CELL.replace("row: a", "row: b"), r"demo.yaml:15: no row 'b'"),
        (CELL.replace("column: x", "column: y"), r"demo.yaml:15: no column 'y'"),
        (CELL + CELL, r"demo.yaml:16: cell 'a / x / top1' is given twice"),
        (CELL.replace("91.5", "null"), r"demo.yaml:15: value None with evidence 'table'"),
        (CELL.replace("table}", "guess}"), r"demo.yaml:15: evidence: expected 'table', 'text'"),
        (CELL.replace("value", "valeu"), r"unknown key 'valeu' \(did you mean 'value'\?\)"),
        (CELL.replace("91.5", "'91.5'"), r"demo.yaml:15: value: expected a number, got '91.5'"),
        (CELL.replace("91.5", "91.5, std: -1"), r"demo.yaml:15: std: expected greater than or"),
    ],
    ids=["row", "column", "twice", "null", "evidence", "key", "text", "negative"],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, cells, message):
    path = tmp_path / "demo.yaml"
    path.write_text(HEAD + cells)
    with pytest.raises(SuiteError, match=message):
        read_published(path)


def test_a_file_of_another_paper_is_refused(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text(HEAD + CELL)
    with pytest.raises(SuiteError, match=r"other.yaml:1: paper 'demo' in a file called"):
        read_published(path)


def test_an_id_given_twice_is_refused(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text((HEAD + CELL).replace("label: A}]", "label: A}, {id: a, label: B}]"))
    with pytest.raises(SuiteError, match=r"demo.yaml:12: id 'a' is given 2 times"):
        read_published(path)
