r"""Tables as LaTeX with booktabs, and single numbers as `\kbench{suite.table.row.column}`.

A fragment is input into a paper, which loads `booktabs`. A standalone document needs nothing but
pdflatex with booktabs, geometry and graphicx; its page is turned for wide tables, and what is still
too large is split into parts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from kbench.report import numbers
from kbench.report.latex_columns import Layout, signed
from kbench.report.latex_pages import Part, is_wide, split, whole
from kbench.report.latex_text import escape, macro_name
from kbench.report.notes import metric_label
from kbench.report.table import Column, Entry, Table

DEFINITIONS = r"""% Tables of kbench; need \usepackage{booktabs}.
\providecommand{\kbenchset}[2]{\expandafter\gdef\csname kbench@#1\endcsname{#2}}
\providecommand{\kbench}[1]{\ifcsname kbench@#1\endcsname\csname kbench@#1\endcsname
  \else\errmessage{kbench has no number called #1}\fi}
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
        standalone: Whether the text is a document, or a fragment for one.
    """
    if not standalone:
        blocks = [block for table in tables for block in (macros(table), fragment(table))]
        return DEFINITIONS + "\n".join(["", *blocks])
    layouts = [Layout(table) for table in tables]
    turned = any(map(is_wide, layouts))
    head = PREAMBLE % {"paper": ",landscape" if turned else "", "definitions": DEFINITIONS}
    bodies = "\n\\bigskip\n".join(document_body(layout, turned=turned) for layout in layouts)
    return f"{head}{''.join(map(macros, tables))}{bodies}\\end{{document}}\n"


def macros(table: Table) -> str:
    """Return a definition for every number: the mean, `.n`, `.std` and `.published`."""
    lines: list[str] = []
    taken: Counter[str] = Counter()
    for row, entries in zip(table.rows, table.entries, strict=True):
        for column, entry in zip(table.columns, entries, strict=True):
            parts = [table.suite, table.id, row.key, column.heading.key]
            parts += [column.metric.name] if len(table.metrics) > 1 else []
            name = macro_name(*parts)
            taken[name] += 1
            name += f"-{taken[name]}" if taken[name] > 1 else ""
            lines += [
                rf"\kbenchset{{{name}{key}}}{{{text}}}" for key, text in _values(column, entry)
            ]
    return "\n".join([*lines, ""])


def fragment(table: Table) -> str:
    """Return a floating table."""
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape(table.caption)}}}"]
    lines += [rf"\label{{tab:{macro_name(table.suite, table.id)}}}"]
    lines += tabular(Layout(table), whole(table)) if table.rows else []
    lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright"]
    return "\n".join([*lines, *footnotes(table), r"\end{minipage}", r"\end{table}", ""])


def document_body(layout: Layout, *, turned: bool) -> str:
    """Return a table in as many parts as its pages need."""
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
    lines += [r"{\footnotesize\raggedright", *footnotes(table), "}"]
    return "\n".join([*lines, ""])


def tabular(layout: Layout, part: Part) -> list[str]:
    """Return the lines of the tabular of a part of a table."""
    table = layout.table
    body = []
    above: tuple[str, ...] = ()
    for number in part.rows:
        row = table.rows[number]
        if above and len(row.labels) > 1 and row.labels[0] != above[0]:
            body.append(r"\addlinespace")
        labels = [escape(text) for text in _unrepeated(row.labels, above)]
        cells = layout.cells(part.columns, table.entries[number])
        body.append(" & ".join([*labels, *cells]) + r" \\")
        above = row.labels
    columns = "l" * len(table.row_axes) + layout.specification(part.columns)
    start = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    return [*start, *_header(layout, part), r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]


def footnotes(table: Table) -> list[str]:
    """Return a paragraph for every note and footnote."""
    marked = [rf"\textsuperscript{{{mark}}} {escape(text)}\par" for mark, text in table.footnotes]
    return [*(rf"{escape(note)}\par" for note in table.notes), *marked]


def _header(layout: Layout, part: Part) -> list[str]:
    """Return the rows of the header, a rule under every level but the last."""
    table = layout.table
    levels = [_level(layout, part, depth) for depth in range(len(table.column_axes))]
    if len(table.metrics) > 1:
        levels.append([_metric(layout, index) for index in part.columns])
    if any(table.has_published[index] for index in part.columns):
        shown = [field for index in part.columns for field in layout.fields[index]]
        levels.append([(field.title, field.span) for field in shown])
    names = [escape(axis) for axis in table.row_axes]
    blank = [""] * len(names)
    lines: list[str] = []
    for level in levels[:-1]:
        lines += [_header_row(blank, level), _rules(level, len(names))]
    return [*lines, _header_row(names, levels[-1])]


def _metric(layout: Layout, index: int) -> tuple[str, int]:
    return escape(metric_label(layout.table.columns[index].metric)), layout.span(index)


def _header_row(names: Sequence[str], level: Iterable[tuple[str, int]]) -> str:
    cells = [rf"\multicolumn{{{span}}}{{c}}{{{text}}}" for text, span in level]
    return " & ".join([*names, *cells]) + r" \\"


def _level(layout: Layout, part: Part, depth: int) -> list[tuple[str, int]]:
    """Return label and span of each group of columns whose labels agree down to a depth."""
    groups: list[tuple[str, int]] = []
    before: tuple[str, ...] | None = None
    for index in part.columns:
        labels = layout.table.column_labels(index)[: depth + 1]
        span = layout.span(index)
        if labels == before:
            groups[-1] = (groups[-1][0], groups[-1][1] + span)
        else:
            groups.append((escape(labels[-1]), span))
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


def _values(column: Column, entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.value is not None:
        yield "", signed(numbers.number(column.metric, entry.value))
    if entry.std is not None:
        yield ".n", str(entry.n)
        yield ".std", numbers.number(column.metric, entry.std)
    if entry.published is not None:
        yield ".published", signed(numbers.number(column.metric, entry.published))
