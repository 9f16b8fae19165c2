"""Columns of a LaTeX table: measured, published, difference; text and width of each.

A field is typeset in two columns, `r@{}l`, so that means line up whatever stands behind them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kbench.report import numbers
from kbench.report.latex_text import escape
from kbench.report.notes import metric_label
from kbench.report.table import Column, Entry, Table

Pair = tuple[str, str]
COMMAND = re.compile(r"\\[A-Za-z]+|[\\{}$]")
SPAN = 2
GAP = 2


@dataclass(frozen=True)
class Field:
    """Two typeset columns under one title.

    Attributes:
        title: Header, if a table has published numbers.
        glue: What separates the two columns.
        pair: Gives the left and right text of an entry; a left text alone is centred over both.
    """

    title: str
    glue: str
    pair: Callable[[Column, Entry, int | None], Pair]

    @property
    def specification(self) -> str:
        """Return the columns as `tabular` takes them."""
        return f"r@{{{self.glue}}}l"

    def cell(self, column: Column, entry: Entry, common_n: int | None) -> str:
        """Return the two cells of an entry."""
        left, right = self.pair(column, entry, common_n)
        if left and not is_number(left):
            return rf"\multicolumn{{{SPAN}}}{{c}}{{{left}{right}}}"
        return f"{left} & {right}"


def fields(table: Table, index: int) -> list[Field]:
    """Return the fields of a column: published ones only where there are published numbers."""
    return FIELDS if table.has_published[index] else FIELDS[:1]


def signed(text: str) -> str:
    """Return a number with its sign as mathematics sets it."""
    if text.startswith("±"):
        return rf"$\pm${text[1:]}"
    return f"${text[0]}${text[1:]}" if text[:1] in ("-", "+") else text


def is_number(text: str) -> bool:
    """Return whether a typeset text is a number rather than words or a dash."""
    return any(character.isdigit() for character in text)


def width(table: Table, index: int) -> int:
    """Return about how many characters wide a column is, fields and gaps included."""
    column, common_n = table.columns[index], table.common_n
    total = 0
    for field in fields(table, index):
        pairs = (field.pair(column, row[index], common_n) for row in table.entries)
        longest = max((_visible(left + right) for left, right in pairs), default=0)
        total += max(longest, _visible(field.title)) + GAP
    labels = [metric_label(column.metric)] if len(table.metrics) > 1 else []
    labels += [text for text in reversed(table.column_labels(index)) if text]
    return max(total, len(labels[0]) + GAP)


def label_width(table: Table) -> int:
    """Return about how many characters wide the row labels are."""
    return sum(
        max(len(text) for text in texts) + GAP
        for texts in zip(table.row_axes, *(row.labels for row in table.rows), strict=True)
    )


def marks(names: Iterable[str]) -> str:
    """Return footnote marks, raised."""
    joined = ",".join(names)
    return rf"\textsuperscript{{{joined}}}" if joined else ""


def _measured(column: Column, entry: Entry, common_n: int | None) -> Pair:
    if entry.value is None:
        text = "--" if entry.text == "-" else escape(entry.text)
        return text, marks(entry.marks)
    mean = signed(numbers.number(column.metric, entry.value))
    mean = rf"\textbf{{{mean}}}" if entry.is_best else mean
    mean = rf"\underline{{{mean}}}" if entry.is_second else mean
    return mean, _thin(numbers.spread(column.metric, entry, common_n)) + marks(entry.marks)


def _published(column: Column, entry: Entry, _: int | None) -> Pair:
    if entry.published is None:
        return "--", ""
    mean = signed(numbers.number(column.metric, entry.published))
    return mean, _thin(numbers.published_spread(column.metric, entry))


def _difference(column: Column, entry: Entry, _: int | None) -> Pair:
    if entry.difference is None:
        return entry.verdict or "--", ""
    return signed(numbers.difference(column.metric, entry.difference)), entry.verdict or ""


def _thin(text: str) -> str:
    """Return a spread with thin spaces around its sign."""
    return text.replace(" ± ", r"\,$\pm$\,")


def _visible(text: str) -> int:
    """Return about how many characters of a typeset text can be seen."""
    return len(COMMAND.sub("", text))


FIELDS = [
    Field("measured", "", _measured),
    Field("published", "", _published),
    Field(r"$\Delta$", r"\ ", _difference),
]
