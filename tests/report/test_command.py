import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbench.cli import main
from kbench.record import Measurement
from kbench.suite import load_suite

TABLE = {"id": "main", "rows": "operator", "columns": "dataset", "metric": "top1"}
PUBLISHED = """\
paper: demo
citation:
  {title: T, authors: [A], venue: V, year: 2020, arxiv: null, doi: null, code: null,
   code_licence: null}
tables:
  - id: one
    source: Table 1
    title: One
    metric: top1
    unit: percent
    higher_is_better: true
    protocol: {runs: 1, spread: none, selection: last}
    rows: [{id: conv, label: Baseline}]
    columns: [{id: digits, label: Digits}]
    cells: [{row: conv, column: digits, value: 90.0, n: 1, evidence: table}]
"""


@pytest.fixture
def report(write_suite, finish, tmp_path: Path):
    """Return a function that runs `kbench report` on a suite of one cell with a top-1 of 97.5."""

    def run(*arguments: str, **keys: object):
        path = write_suite(**({"tables": [TABLE]} | keys))
        (path.parent / "published").mkdir(exist_ok=True)
        (path.parent / "published" / "demo.yaml").write_text(PUBLISHED)
        for cell in load_suite(path).cells():
            finish(cell)
        results = str(tmp_path / "results")
        return CliRunner().invoke(main, ["report", str(path), "--results", results, *arguments])

    return run


def test_markdown_is_the_default(report) -> None:
    result = report()
    assert result.exit_code == 0
    assert "97.50" in result.stdout
    assert "|" in result.stdout


def test_every_format_that_is_asked_for_is_printed(report) -> None:
    result = report("--latex", "--csv")
    assert r"\toprule" in result.stdout
    assert "97.5" in result.stdout.split("toprule")[1]


def test_csv_holds_the_number(report) -> None:
    rows = list(csv.DictReader(io.StringIO(report("--csv").stdout)))
    assert [float(row["value"]) for row in rows] == [97.5]


def test_json_can_be_read(report) -> None:
    assert json.loads(report("--json").stdout)


@pytest.mark.parametrize(
    ("option", "name"), [("--markdown", "demo.md"), ("--json", "demo.json"), ("--csv", "demo.csv")]
)
def test_output_is_a_file_for_each_suite(report, tmp_path: Path, option: str, name: str) -> None:
    folder = tmp_path / "tables"
    result = report(option, "--output", str(folder))
    assert result.stdout == ""
    assert "97.5" in (folder / name).read_text()


def test_latex_output_is_a_file_a_table_with_numbers_and_a_document(report, tmp_path) -> None:
    folder = tmp_path / "tables"
    report("--latex", "--output", str(folder))
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(texts) == {"demo.main.tex", "numbers.tex", "all.tex"}
    assert r"\kbenchset" in texts["numbers.tex"]
    assert r"\kbenchset" not in texts["demo.main.tex"]
    assert r"\documentclass" in texts["all.tex"]


def test_standalone_latex_is_a_document(report) -> None:
    assert r"\documentclass" in report("--latex", "--standalone").stdout


@pytest.mark.parametrize(("tolerance", "status"), [(10.0, 0), (1.0, 3)], ids=["close", "off"])
def test_check_exits_with_3_if_a_verdict_is_off(report, tolerance: float, status: int) -> None:
    table = TABLE | {"published": "one", "tolerance": tolerance}
    result = report("--check", tables=[table], paper="demo")
    assert result.exit_code == status, result.output


def test_missing_published_file_is_named_with_its_line(report) -> None:
    result = report(paper="other")
    assert result.exit_code == 2
    assert "no file 'published/other.yaml' here or above" in result.stderr
    assert "demo.yaml:" in result.stderr


def test_unwritable_output_is_an_error(report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = report("--csv", "--output", str(tmp_path / "taken" / "tables"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_without_a_suite_all_of_the_folder_are_reported(
    report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", "--csv"])
    assert result.exit_code == 0, result.output
    assert "97.5" in result.stdout


def test_no_suite_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report"])
    assert result.exit_code == 2
    assert "no suite in the folder 'suites'" in result.stderr


def test_record_of_older_code_is_marked_stale(write_suite, finish, tmp_path: Path) -> None:
    path = write_suite(tables=[TABLE])
    for cell in load_suite(path).cells():
        finish(cell, versions={"training": 0, "operator": 1})
    arguments = ["report", str(path), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, arguments)
    assert "older" in result.stdout or "stale" in result.stdout


def test_failed_cell_is_a_footnote_and_no_number(write_suite, finish, tmp_path: Path) -> None:
    path = write_suite(tables=[TABLE], seeds=[0, 1])
    first, second = load_suite(path).cells()
    finish(first, metrics={"top1": Measurement(80.0, "percent", "max")})
    finish(second, status="diverged", reason="loss is nan in epoch 1", metrics={})
    arguments = ["report", str(path), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, arguments)
    assert "80.00" in result.stdout
    assert "1 of 2 seeds" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--standalone"], "--standalone is for --latex only"),
        (["--standalone", "--csv"], "--standalone is for --latex only"),
        (["--summary", "--published"], "--summary and --published: give one of them"),
        (["--summary"], "demo.yaml: no key 'paper', so no published numbers"),
        (["--published"], "demo.yaml: no key 'paper', so no published numbers"),
    ],
    ids=["standalone", "standalone-csv", "both", "summary", "published"],
)
def test_options_that_do_nothing_are_refused(report, arguments, message) -> None:
    result = report(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
