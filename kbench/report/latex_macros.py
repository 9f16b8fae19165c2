r"""Single numbers as LaTeX macros: `\kbench{suite.table.row.column}`."""

from collections import Counter
from collections.abc import Iterator

from kbench.report import numbers
from kbench.report.latex_columns import signed
from kbench.report.latex_text import macro_name
from kbench.report.table import Entry, Table

DEFINITIONS = r"""% \kbench{suite.table.row.column} prints a number; also with .n, .std, .published.
\providecommand{\kbenchset}[2]{\expandafter\gdef\csname kbench@#1\endcsname{#2}}
\providecommand{\kbench}[1]{\ifcsname kbench@#1\endcsname\csname kbench@#1\endcsname
  \else\GenericWarning{}{kbench has no number called \detokenize{#1}}%
  \textbf{\texttt{[no number \detokenize{#1}]}}\fi}
"""


def table_name(table: Table) -> str:
    """Return the first parts of a table's macros: paper and table, or suite and table.

    A suite `paper-table1` with a table `table1` gives `paper.table1`, another of its tables
    `paper.table1.cost`.
    """
    prefix = f"{table.paper}-"
    own = table.suite
    if table.paper and own.startswith(prefix):
        own = f"{table.paper}.{own.removeprefix(prefix)}"
        if own == f"{table.paper}.{table.id}":
            return macro_name(own)
    return macro_name(own, table.id)


def macros(table: Table) -> str:
    """Return a definition for every number: the mean, `.n`, `.std` and `.published`."""
    lines: list[str] = []
    taken: Counter[str] = Counter()
    for row, entries in zip(table.rows, table.entries, strict=True):
        for column, entry in zip(table.columns, entries, strict=True):
            parts = [row.key, column.key, *filter(None, [row.part or column.part])]
            parts += [entry.metric.name] if len(table.metrics) > 1 else []
            name = f"{table_name(table)}.{macro_name(*parts)}"
            taken[name] += 1
            name += f"-{taken[name]}" if taken[name] > 1 else ""
            lines += [rf"\kbenchset{{{name}{key}}}{{{text}}}" for key, text in _values(entry)]
    return "\n".join([*lines, ""])


def _values(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.value is not None:
        yield "", signed(numbers.number(entry.metric, entry.value))
    if entry.std is not None:
        yield ".n", str(entry.n)
        yield ".std", numbers.number(entry.metric, entry.std)
    if entry.published is not None:
        yield ".published", signed(numbers.number(entry.metric, entry.published))
