r"""Tables as LaTeX with booktabs, and single numbers as `\kbench{suite.table.row.column}`.

A fragment is input into a paper, which loads `booktabs` and `graphicx`. A standalone document needs
nothing but pdflatex with booktabs, geometry and graphicx; its page is turned for wide tables, and
what is still too large is split into parts.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain, groupby

from kbench.report.latex_columns import Layout, marks
from kbench.report.latex_macros import DEFINITIONS, macros, table_name
from kbench.report.latex_pages import Part, is_wide, split, whole
from kbench.report.latex_text import escape
from kbench.report.table import Table, shared_heading, shared_notes

FRAGMENT = r"""% Table of kbench; needs \usepackage{booktabs,graphicx}.
\ifdefined\kbenchbox\else\newsavebox{\kbenchbox}\fi
\providecommand{\kbenchfit}{\ifdim\wd\kbenchbox>\linewidth
  \resizebox{\linewidth}{!}{\usebox{\kbenchbox}}\else\usebox{\kbenchbox}\fi}
"""
PREAMBLE = r"""\documentclass[10pt,a4paper%(paper)s]{article}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\newsavebox{\kbenchbox}
\newcommand{\kbenchfit}{\ifdim\wd\kbenchbox>\linewidth
  \resizebox{\linewidth}{!}{\usebox{\kbenchbox}}\else\usebox{\kbenchbox}\fi}
\makeatletter\newcommand{\kbenchfloat}{\def\@captype{table}}\makeatother
\setlength{\parindent}{0pt}
\setlength{\abovecaptionskip}{0pt}
\setlength{\belowcaptionskip}{6pt}
\pagestyle{empty}
%(definitions)s\begin{document}
"""


def render_latex(tables: Sequence[Table], *, standalone: bool = False) -> str:
    """Return tables as LaTeX.

    Args:
        tables: Tables of one or several suites.
        standalone: Whether the text is a document, or numbers and fragments for one.
    """
    if not standalone:
        return "\n".join([render_numbers(tables), *map(render_fragment, tables)])
    turned = any(is_wide(Layout(table)) for table in tables)
    head = PREAMBLE % {"paper": ",landscape" if turned else "", "definitions": DEFINITIONS}
    groups = groupby(tables, key=lambda table: table.suite)
    parts = chain.from_iterable(_suite_bodies(list(group), turned=turned) for _, group in groups)
    bodies = "\n\\bigskip\n".join(parts)
    return f"{head}{''.join(map(macros, tables))}{bodies}\\end{{document}}\n"


def _suite_bodies(tables: Sequence[Table], *, turned: bool) -> Iterator[str]:
    """Yield the tables of a suite, then the notes that all of them have."""
    shared = shared_notes(tables)
    for table in tables:
        yield document_body(Layout(table), turned=turned, told=shared)
    if shared:
        yield "\n".join(
            _small(rf"{escape(text)}\par" for text in (shared_heading(tables), *shared))
        )


def render_numbers(tables: Iterable[Table]) -> str:
    r"""Return the definition of `\kbench` and of every number of tables."""
    return "".join([DEFINITIONS, *map(macros, tables)])


def render_fragment(table: Table) -> str:
    """Return a floating table to be input into a paper; a wide one is turned."""
    layout = Layout(table)
    lines = [rf"\caption{{{escape(table.caption)}}}", rf"\label{{tab:{table_name(table)}}}"]
    if table.rows:
        lines += [r"\begin{lrbox}{\kbenchbox}", *tabular(layout, whole(table)), r"\end{lrbox}"]
        lines += [r"\kbenchfit"]
    lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright"]
    lines += [*footnotes(table), r"\end{minipage}"]
    if is_wide(layout):
        turned = r"\rotatebox{90}{\begin{minipage}{0.95\textheight}\centering"
        lines = [r"\begin{table}[p]", r"\centering", turned, *lines, r"\end{minipage}}"]
    else:
        lines = [r"\begin{table}", r"\centering", *lines]
    return FRAGMENT + "\n".join([*lines, r"\end{table}", ""])


def document_body(layout: Layout, *, turned: bool, told: Container[str] = ()) -> str:
    """Return a table in as many parts as its pages need.

    Args:
        layout: The table.
        turned: Whether pages are landscape.
        told: Notes that stand elsewhere.
    """
    table = layout.table
    lines: list[str] = []
    parts = split(layout, turned=turned)
    for index, part in enumerate(parts):
        more = f" (part {index + 1} of {len(parts)})" if len(parts) > 1 else ""
        again = r"\addtocounter{table}{-1}" if index else ""
        lines += [r"\begin{minipage}{\linewidth}\centering\small\kbenchfloat"]
        lines += [rf"{again}\caption{{{escape(table.caption)}{more}}}"]
        if table.rows:
            lines += [r"\begin{lrbox}{\kbenchbox}", *tabular(layout, part), r"\end{lrbox}"]
            lines += [r"\kbenchfit"]
        lines += [r"\end{minipage}\par\medskip"]
    return "\n".join([*lines, *_small(footnotes(table, told))])


def _small(lines: Iterable[str]) -> list[str]:
    return [r"{\footnotesize\raggedright", *lines, "}", ""]


def tabular(layout: Layout, part: Part) -> list[str]:
    """Return the lines of the tabular of a part of a table."""
    table = layout.table
    body = []
    above: tuple[str, ...] = ()
    for number in part.rows:
        row = table.rows[number]
        if above and len(row.texts) > 1 and row.texts[0] != above[0]:
            body.append(r"\addlinespace")
        labels = [escape(text) for text in _unrepeated(row.texts, above)]
        labels[-1] += marks(row.marks)
        cells = layout.cells(part.columns, table.entries[number])
        body.append(" & ".join([*labels, *cells]) + r" \\")
        above = row.texts
    columns = "l" * len(table.row_names) + layout.specification(part.columns)
    start = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    return [*start, *_header(layout, part), r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]


def footnotes(table: Table, told: Container[str] = ()) -> list[str]:
    """Return a paragraph for every footnote, and for every note that is not told elsewhere."""
    marked = [rf"\textsuperscript{{{mark}}} {escape(text)}\par" for mark, text in table.footnotes]
    return [*(rf"{escape(note)}\par" for note in table.notes if note not in told), *marked]


def _header(layout: Layout, part: Part) -> list[str]:
    """Return the rows of the header, a rule under every level but the last."""
    table = layout.table
    depth = max((len(column.texts) for column in table.columns), default=0)
    levels = [_level(layout, part, level) for level in range(depth)]
    if any(len(layout.fields[index]) > 1 for index in part.columns):
        shown = [field for index in part.columns for field in layout.fields[index]]
        levels.append([(field.title, field.span) for field in shown])
    names = [escape(name) for name in table.row_names]
    if not levels:
        return [_header_row(names, [("", layout.span(index)) for index in part.columns])]
    blank = [""] * len(names)
    lines: list[str] = []
    for level in levels[:-1]:
        lines += [_header_row(blank, level), _rules(level, len(names))]
    return [*lines, _header_row(names, levels[-1])]


def _header_row(names: Sequence[str], level: Iterable[tuple[str, int]]) -> str:
    cells = [rf"\multicolumn{{{span}}}{{c}}{{{text}}}" for text, span in level]
    return " & ".join([*names, *cells]) + r" \\"


def _level(layout: Layout, part: Part, depth: int) -> list[tuple[str, int]]:
    """Return label and span of each group of columns whose labels agree down to a depth."""
    groups: list[tuple[str, int]] = []
    before: tuple[str, ...] | None = None
    for index in part.columns:
        column = layout.table.columns[index]
        labels, span = column.texts[: depth + 1], layout.span(index)
        if labels == before:
            groups[-1] = (groups[-1][0], groups[-1][1] + span)
        else:
            is_last = depth == len(column.texts) - 1
            text = escape(labels[-1]) + (marks(column.marks) if is_last else "")
            groups.append((text, span))
        before = labels
    return groups


def _rules(level: Iterable[tuple[str, int]], first: int) -> str:
    rules = []
    for text, span in level:
        if text:
            rules.append(rf"\cmidrule(lr){{{first + 1}-{first + span}}}")
        first += span
    return "".join(rules)


def _unrepeated(labels: Sequence[str], above: Sequence[str]) -> list[str]:
    """Return labels, those left blank that stand above already."""
    same = 0
    while same < len(labels) - 1 and same < len(above) and labels[same] == above[same]:
        same += 1
    return [""] * same + list(labels[same:])
