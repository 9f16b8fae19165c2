from dataclasses import replace
from pathlib import Path

import pytest

from kbench.report.markdown import escape, render_markdown
from kbench.report.statistics import Contrast

GOLDEN = Path(__file__).parents[1] / "golden" / "report.md"


def test_tables_look_as_the_golden_file(table, plain_table):
    assert render_markdown([table, plain_table]) == GOLDEN.read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("*a* `b`", r"\*a\* \`b\`"),
        ("fashion_mnist", "fashion_mnist"),
        ("_private_", r"\_private\_"),
        ("a\nb", "a b"),
        ("<b> [x] $y$", r"\<b\> \[x\] \$y\$"),
    ],
    ids=str,
)
def test_text_is_escaped(text, expected):
    assert escape(text) == expected


def test_every_line_of_a_table_has_as_many_cells(table, plain_table):
    lines = render_markdown([table, plain_table]).splitlines()
    counts = [line.count("|") for line in lines if line.startswith("|")]
    # digits, tiny, svhn below two lines of header: dataset, conv and difference in three each, lc.
    assert counts[:5] == [11] * 5
    assert counts[5:] == [11] * 4


def test_notes_of_all_tables_of_a_suite_are_told_once(table):
    other = replace(table, id="other", notes=(*table.notes, "only here"))
    text = render_markdown([table, other])
    assert "On all tables of demo:" in text
    assert [text.count(f"- {escape(note)}\n") for note in other.notes] == [1] * len(other.notes)


def test_differences_to_a_baseline_have_a_column(plain_table):
    contrast = Contrast("Welch's t-test", 0.5, 0.25, 0.01)
    row = [replace(entry, contrast=contrast) for entry in plain_table.entries[0]]
    table = replace(plain_table, entries=(tuple(row), *plain_table.entries[1:]), baseline="conv")
    header, _, first, *_ = render_markdown([table]).splitlines()[2:]
    assert header.count("\N{MINUS SIGN} conv") == len(table.columns)
    assert first.count("+0.50 ± 0.25") == len(table.columns) // 2  # the others are counts
