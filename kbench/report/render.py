"""Tables in every format, by name."""

from collections.abc import Callable, Sequence
from functools import partial

from kbench.report.data import render_csv, render_json
from kbench.report.latex import render_latex
from kbench.report.markdown import render_markdown
from kbench.report.table import Table

SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv", "json": "json"}


def render(name: str, tables: Sequence[Table], *, standalone: bool) -> str:
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
