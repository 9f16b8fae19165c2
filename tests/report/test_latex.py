import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kbench.report.latex import render_latex

PAPER = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}%s %s\end{document}"
GOLDEN = Path(__file__).parents[1] / "golden" / "report.tex"
NASTY = "_ % & # $ { } ~ ^ \\ \" ' ` | < > -- ± µ é 中"


def compile_latex(text, folder):
    """Return the log of pdflatex."""
    compiler = shutil.which("pdflatex")
    if compiler is None:
        pytest.skip("pdflatex is not on PATH")
    (folder / "report.tex").write_text(text, encoding="ascii")
    command = [compiler, "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "report.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    return log


@pytest.fixture
def nasty_table(table):
    row = replace(table.rows[0], texts=(NASTY,))
    return replace(
        table,
        id="nasty",
        caption=NASTY,
        rows=(row, *table.rows[1:]),
        notes=(NASTY,),
        footnotes=(("a", NASTY),),
    )


def test_a_fragment_looks_as_the_golden_file(table, plain_table):
    assert render_latex([table, plain_table]) == GOLDEN.read_text()


def test_output_is_ascii(nasty_table):
    assert render_latex([nasty_table], standalone=True).isascii()


def test_rows_have_as_many_cells_as_the_tabular_has_columns(table, plain_table):
    for text in render_latex([table, plain_table]).split(r"\begin{tabular}")[1:]:
        specification, rest = text.split("\n", 1)
        columns = len(re.findall("[clr]", re.sub("@{[^}]*}", "", specification)))
        rows = [
            line for line in rest.split(r"\bottomrule")[0].splitlines() if line.endswith("\\\\")
        ]
        for row in rows:
            spans = [int(span) - 1 for span in re.findall(r"\\multicolumn{(\d+)}", row)]
            assert len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans) == columns


def test_macros_hold_mean_deviation_size_and_published_number(table):
    text = render_latex([table])
    assert r"\kbenchset{demo.main.digits.conv}{91.00}" in text
    assert r"\kbenchset{demo.main.digits.conv.std}{1.00}" in text
    assert r"\kbenchset{demo.main.digits.conv.n}{3}" in text
    assert r"\kbenchset{demo.main.digits.conv.published}{91.50}" in text


def test_macros_have_names_of_their_own(table):
    twins = tuple(
        replace(row, labels=(label,)) for row, label in zip(table.rows, "%#&", strict=True)
    )
    names = re.findall(r"\\kbenchset{(demo[^}]*)}", render_latex([replace(table, rows=twins)]))
    assert len(names) == len(set(names))


def test_a_table_without_rows_has_no_tabular(table):
    empty = replace(table, rows=(), columns=(), entries=(), notes=("no cell",))
    assert r"\begin{tabular}" not in render_latex([empty], standalone=True)


@pytest.mark.slow
def test_a_standalone_document_compiles_and_fits(table, plain_table, nasty_table, tmp_path):
    wide = replace(
        table,
        columns=table.columns * 6,
        entries=tuple(row * 6 for row in table.entries),
    )
    long = replace(table, rows=table.rows * 30, entries=table.entries * 30, notes=())
    text = render_latex([table, plain_table, nasty_table, wide, long], standalone=True)
    assert "Overfull" not in compile_latex(text, tmp_path)


@pytest.mark.slow
def test_a_fragment_and_its_numbers_compile_in_a_paper(table, plain_table, tmp_path):
    number = r"\kbench{demo.main.digits.lc}"
    log = compile_latex(PAPER % (render_latex([table, plain_table]), number), tmp_path)
    assert "Output written" in log


@pytest.mark.slow
def test_a_number_that_does_not_exist_is_told_in_text_and_log(table, tmp_path):
    log = compile_latex(
        PAPER % (render_latex([table]), r"\kbench{demo.main.digits_x.ls}"), tmp_path
    )
    assert "kbench has no number called demo.main.digits_x.ls" in log
    assert "Output written" in log
