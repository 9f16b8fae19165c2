"""Tables as Markdown, which is also what a terminal shows."""

import re
from collections.abc import Iterable, Iterator

from tabulate import tabulate

from kbench.report.notes import metric_label
from kbench.report.numbers import difference, number, published_spread, spread
from kbench.report.table import Column, Entry, Table

SPECIAL = re.compile(r"[\\`*|<>&$~\[\]]|(?<![^\W_])_|_(?![^\W_])")
SPACES = re.compile(r"\s+")


def render_markdown(tables: Iterable[Table]) -> str:
    """Return tables as Markdown: caption, table, footnotes."""
    return "\n".join(render_table(table) for table in tables)


def render_table(table: Table) -> str:
    """Return one table as Markdown."""
    parts = [f"**{escape(table.caption)}**\n"]
    if table.rows:
        parts.append(f"{_grid(table)}\n")
    lines = [escape(note) for note in table.notes]
    if any(entry.is_second for row in table.entries for entry in row):
        lines.append("underlined is written _so_")
    lines += [f"{mark}: {escape(text)}" for mark, text in table.footnotes]
    return "\n".join([*parts, *(f"- {line}" for line in lines)]) + "\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, in a table as well."""
    return SPECIAL.sub(lambda match: f"\\{match[0]}", SPACES.sub(" ", text).strip())


def _grid(table: Table) -> str:
    headers = [*map(escape, table.row_axes)]
    for index in range(len(table.columns)):
        headers += _headers(table, index)
    body = [
        [*map(escape, row.labels), *_cells(table, entries)]
        for row, entries in zip(table.rows, table.entries, strict=True)
    ]
    align = ["left" if i < len(table.row_axes) else "right" for i in range(len(headers))]
    return tabulate(body, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def _headers(table: Table, index: int) -> Iterator[str]:
    labels = [part for part in table.column_labels(index) if part]
    labels += [metric_label(table.columns[index].metric)] if len(table.metrics) > 1 else []
    name = escape(" / ".join(labels))
    yield name
    if table.has_published[index]:
        yield f"{name} published"
        yield f"{name} Δ"


def _cells(table: Table, entries: Iterable[Entry]) -> Iterator[str]:
    for index, (column, entry) in enumerate(zip(table.columns, entries, strict=True)):
        yield _measured(column, entry, table.common_n)
        if table.has_published[index]:
            yield _published(column, entry)
            yield _difference(column, entry)


def _measured(column: Column, entry: Entry, common_n: int | None) -> str:
    text = entry.text
    if entry.value is not None:
        text = number(column.metric, entry.value) + spread(column.metric, entry, common_n)
    if entry.is_best:
        text = f"**{text}**"
    if entry.is_second:
        text = f"_{text}_"
    return f"{text} [{','.join(entry.marks)}]" if entry.marks else text


def _published(column: Column, entry: Entry) -> str:
    if entry.published is None:
        return "-"
    return number(column.metric, entry.published) + published_spread(column.metric, entry)


def _difference(column: Column, entry: Entry) -> str:
    signed = "" if entry.difference is None else difference(column.metric, entry.difference)
    return f"{signed} {entry.verdict or ''}".strip()
