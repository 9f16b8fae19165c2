"""Tables as Markdown, which is also what a terminal shows."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby

from tabulate import tabulate

from kbench.report import numbers
from kbench.report.headings import Heading
from kbench.report.table import Entry, Table, shared_heading, shared_notes

SPECIAL = re.compile(r"[\\`*|<>&$~\[\]]|(?<![^\W_])_|_(?![^\W_])")
SPACES = re.compile(r"\s+")


def render_markdown(tables: Iterable[Table]) -> str:
    """Return tables as Markdown: caption, table, footnotes; those of a whole suite once."""
    groups = groupby(tables, key=lambda table: table.suite)
    return "\n".join(_suite(list(group)) for _, group in groups)


def _suite(tables: Sequence[Table]) -> str:
    shared = shared_notes(tables)
    texts = [_table(table, shared) for table in tables]
    texts += [f"{shared_heading(tables)}\n\n{_list(map(escape, shared))}"] if shared else []
    return "\n".join(texts)


def _table(table: Table, told: Container[str]) -> str:
    """Return one table as Markdown, without the notes that are told elsewhere."""
    parts = [f"**{escape(table.caption)}**\n"]
    if table.rows:
        parts.append(f"{_grid(table)}\n")
    lines = [escape(note) for note in table.notes if note not in told]
    if any(entry.is_second for row in table.entries for entry in row):
        lines.append("underlined is written _so_")
    lines += [f"{mark}: {escape(text)}" for mark, text in table.footnotes]
    parts += [_list(lines)] if lines else []
    return "\n".join(parts)


def _list(lines: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, in a table as well."""
    return SPECIAL.sub(lambda match: f"\\{match[0]}", SPACES.sub(" ", text).strip())


def _grid(table: Table) -> str:
    headers = [*map(escape, table.row_names)]
    for index in range(len(table.columns)):
        headers += _headers(table, index)
    body = [
        [*_labels(row), *_cells(table, entries)]
        for row, entries in zip(table.rows, table.entries, strict=True)
    ]
    align = ["left" if i < len(table.row_names) else "right" for i in range(len(headers))]
    return tabulate(body, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def _labels(row: Heading) -> list[str]:
    """Return the texts of a row, its footnotes behind the innermost that is not empty."""
    texts = [*map(escape, row.texts)]
    if row.marks:
        last = max((i for i, text in enumerate(texts) if text), default=0)
        texts[last] += _marked(row.marks)
    return texts


def _headers(table: Table, index: int) -> Iterator[str]:
    column = table.columns[index]
    name = escape(" / ".join(part for part in column.texts if part))
    yield (name or ("measured" if table.has_published[index] else "")) + _marked(column.marks)
    if table.has_contrast[index]:
        yield f"{name} \N{MINUS SIGN} {escape(table.baseline)}".strip()
    if table.has_published[index]:
        yield f"{name} published".strip()
    if table.has_difference[index]:
        yield f"{name} Δ".strip()


def _cells(table: Table, entries: Iterable[Entry]) -> Iterator[str]:
    for index, entry in enumerate(entries):
        yield _measured(entry, table.common_n)
        if table.has_contrast[index]:
            yield "".join(numbers.contrast(entry))
        if table.has_published[index]:
            yield escape(numbers.published(entry)) + numbers.published_spread(entry)
        if table.has_difference[index]:
            yield _difference(entry)


def _measured(entry: Entry, common_n: int | None) -> str:
    text = entry.text
    if entry.value is not None:
        text = numbers.number(entry.metric, entry.value) + numbers.spread(entry, common_n)
    if entry.is_best:
        text = f"**{text}**"
    if entry.is_second:
        text = f"_{text}_"
    return text + numbers.significance(entry) + _marked(entry.marks)


def _difference(entry: Entry) -> str:
    if entry.difference is None:
        return entry.verdict or ""
    return f"{numbers.difference(entry.metric, entry.difference)} {entry.verdict or ''}".strip()


def _marked(marks: Iterable[str]) -> str:
    """Return footnote marks in brackets, or nothing."""
    joined = ",".join(marks)
    return f" [{joined}]" if joined else ""
