"""Tables in every format, by name."""

from collections.abc import Callable, Sequence
from functools import partial

from kbench.report.data import render_csv, render_json
from kbench.report.latex import render_fragment, render_latex, render_numbers
from kbench.report.latex_macros import table_name
from kbench.report.markdown import render_markdown
from kbench.report.table import Table

SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv", "json": "json"}


def render(name: str, tables: Sequence[Table], *, standalone: bool = False) -> str:
    """Return tables in a format.

    Args:
        name: A key of `SUFFIXES`.
        tables: What to render.
        standalone: Whether LaTeX is a document that compiles.
    """
    renderers: dict[str, Callable[[Sequence[Table]], str]] = {
        "markdown": render_markdown,
        "latex": partial(render_latex, standalone=standalone),
        "csv": render_csv,
        "json": render_json,
    }
    return renderers[name](tables)


def files(name: str, tables: Sequence[Table]) -> dict[str, str]:
    """Return the files of a format, by their names.

    A file for each suite; in LaTeX one for each table, `numbers.tex` with all numbers and
    `all.tex`, a document with all tables.
    """
    if name == "latex":
        single = {f"{table_name(table)}.tex": render_fragment(table) for table in tables}
        document = render_latex(tables, standalone=True)
        return {**single, "numbers.tex": render_numbers(tables), "all.tex": document}
    return {
        f"{suite}.{SUFFIXES[name]}": render(
            name, [table for table in tables if table.suite == suite]
        )
        for suite in dict.fromkeys(table.suite for table in tables)
    }
