from pathlib import Path

import pytest

from kbench.report.markdown import escape, render_markdown

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
