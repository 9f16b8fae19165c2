import pytest

from kbench.errors import SuiteError
from kbench.report.uncovered import read_uncovered


@pytest.fixture
def read(tmp_path, published):
    """Return a function that reads the reasons of the paper `demo`."""

    def read(text):
        (tmp_path / "uncovered").mkdir()
        (tmp_path / "uncovered" / "demo.yaml").write_text(text)
        return read_uncovered(tmp_path / "demo.yaml", published)

    return read


def test_without_a_file_there_are_no_reasons(tmp_path, published):
    assert read_uncovered(tmp_path / "demo.yaml", published) == []


def test_a_rule_holds_for_what_it_names(read, published):
    (rule,) = read("- {table: table1, rows: svhn, evidence: [figure], reason: drawn}\n")
    table = published.tables[0]
    held = [(cell.row, cell.column) for cell in table.cells if rule.holds_for(table, cell)]
    assert held == [("svhn", "lc")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {table: tabel1, reason: x}\n", r"demo.yaml:1: unknown table 'tabel1' \(did you mean"),
        ("- {table: table1, rows: [svnh], reason: x}\n", r"demo.yaml:1: unknown row 'svnh'"),
        ("- {table: table1, evidence: quoted, reason: x}\n", "no published number is one of"),
        ("- {table: table1}\n", "demo.yaml:1: missing key 'reason'"),
    ],
    ids=["table", "row", "nothing", "no-reason"],
)
def test_what_is_wrong_is_named(read, text, message):
    with pytest.raises(SuiteError, match=message):
        read(text)
