"""Columns of a LaTeX table: measured, published, difference; text and width of each.

A field is typeset in two columns, `r@{}l`, so that means line up whatever stands behind them.
Where nothing does, one centred column looks better under a wide header.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kbench.report import numbers
from kbench.report.latex_text import escape
from kbench.report.reference import Sign
from kbench.report.table import Entry, Table

Pair = tuple[str, str]
COMMAND = re.compile(r"\\[A-Za-z]+|[\\{}$]")
GAP = 2
SIGNS: dict[Sign, str] = {"": "", "~": r"$\sim$", ">": "$>$"}


@dataclass(frozen=True)
class Field:
    """Measured, published or difference, as it is typeset.

    Attributes:
        title: Header, if a table has published numbers.
        glue: What separates the two columns.
        pair: Gives the left and right text of an entry; a left text alone is centred over both.
        span: Number of typeset columns; one, centred, where nothing stands on the right.
        whole: Characters before the point of the longest number of a single column; shorter ones
            are filled up.
        decimals: The same behind the point, in any column.
    """

    title: str
    glue: str
    pair: Callable[[Entry, int | None], Pair]
    span: int = 2
    whole: int = 0
    decimals: int = 0

    @property
    def specification(self) -> str:
        """Return the columns as `tabular` takes them."""
        return "c" if self.span == 1 else f"r@{{{self.glue}}}l"

    def cell(self, entry: Entry, common_n: int | None) -> str:
        """Return the cells of an entry."""
        left, right = self.pair(entry, common_n)
        if is_number(left):
            left = self._align(left)
        elif left and self.span > 1:
            return rf"\multicolumn{{{self.span}}}{{c}}{{{left}{right}}}"
        return left if self.span == 1 else f"{left} & {right}"

    def _align(self, text: str) -> str:
        """Return a number with room for the digits that the longest ones have besides."""
        whole, point, decimals = text.partition(".")
        before = _room(self.whole - _visible(whole))
        return before + text + _room(self.decimals - _visible(decimals), "" if point else ".")


@dataclass(frozen=True)
class Layout:
    """A table with the fields of its columns."""

    table: Table

    @cached_property
    def fields(self) -> list[list[Field]]:
        """Return the fields of each column: those of the paper only where it has something."""
        table = self.table
        contrast = replace(CONTRAST, title=rf"$-$\,{escape(table.baseline)}")
        shown = zip(table.has_contrast, table.has_published, table.has_difference, strict=True)
        return [
            [
                self._fit(field, index)
                for field, is_shown in zip(
                    (MEASURED, contrast, PUBLISHED, DIFFERENCE), (True, *flags), strict=True
                )
                if is_shown
            ]
            for index, flags in enumerate(shown)
        ]

    @cached_property
    def widths(self) -> list[int]:
        """Return about how many characters wide each column is, fields and gaps included."""
        return [self._width(index) for index in range(len(self.table.columns))]

    @property
    def label_width(self) -> int:
        """Return about how many characters wide the row labels are."""
        labels = zip(self.table.row_names, *(row.texts for row in self.table.rows), strict=True)
        return sum(max(map(len, texts)) + GAP for texts in labels)

    def span(self, index: int) -> int:
        """Return the number of typeset columns of a column."""
        return sum(field.span for field in self.fields[index])

    def specification(self, indices: Iterable[int]) -> str:
        """Return typeset columns as `tabular` takes them."""
        return "".join(field.specification for index in indices for field in self.fields[index])

    def cells(self, indices: Iterable[int], entries: Sequence[Entry]) -> Iterator[str]:
        """Yield the cells of a row."""
        for index in indices:
            for field in self.fields[index]:
                yield field.cell(entries[index], self.table.common_n)

    def _pairs(self, field: Field, index: int) -> Iterator[Pair]:
        return (field.pair(row[index], self.table.common_n) for row in self.table.entries)

    def _fit(self, field: Field, index: int) -> Field:
        pairs = list(self._pairs(field, index))
        parts = [left.partition(".") for left, _ in pairs if is_number(left)]
        decimals = max((_visible(behind) for _, _, behind in parts), default=0)
        if any(right for _, right in pairs):
            return replace(field, decimals=decimals)
        whole = max((_visible(before) for before, _, _ in parts), default=0)
        return replace(field, span=1, whole=whole, decimals=decimals)

    def _width(self, index: int) -> int:
        total = 0
        for field in self.fields[index]:
            pairs = self._pairs(field, index)
            longest = max((_visible(left + right) for left, right in pairs), default=0)
            total += max(longest, _visible(field.title)) + GAP
        texts = [text for text in self.table.columns[index].texts if text]
        return max(total, len(texts[-1]) + GAP) if texts else total


def signed(text: str) -> str:
    """Return a number with its sign as mathematics sets it."""
    if text.startswith("±"):
        return rf"$\pm${text[1:]}"
    return f"${text[0]}${text[1:]}" if text[:1] in ("-", "+") else text


def is_number(text: str) -> bool:
    """Return whether a typeset text is a number rather than words or a dash."""
    return any(character.isdigit() for character in text)


def marks(names: Iterable[str]) -> str:
    """Return footnote marks, raised."""
    joined = ",".join(names)
    return rf"\textsuperscript{{{joined}}}" if joined else ""


def _measured(entry: Entry, common_n: int | None) -> Pair:
    if entry.value is None:
        text = "--" if entry.text == "-" else escape(entry.text)
        return text, marks(entry.marks)
    mean = signed(numbers.number(entry.metric, entry.value))
    mean = rf"\textbf{{{mean}}}" if entry.is_best else mean
    mean = rf"\underline{{{mean}}}" if entry.is_second else mean
    behind = _thin(numbers.spread(entry, common_n)) + escape(numbers.significance(entry))
    return mean, behind + marks(entry.marks)


def _contrast(entry: Entry, _: int | None) -> Pair:
    mean, half_width = numbers.contrast(entry)
    return signed(mean), _thin(half_width)


def _published(entry: Entry, _: int | None) -> Pair:
    text = numbers.published(entry)
    if entry.published is None:
        return escape(text), ""
    mean = SIGNS[entry.sign] + signed(text.removeprefix(entry.sign))
    return mean, _thin(numbers.published_spread(entry))


def _difference(entry: Entry, _: int | None) -> Pair:
    if entry.difference is None:
        return entry.verdict or "", ""
    return signed(numbers.difference(entry.metric, entry.difference)), entry.verdict or ""


def _thin(text: str) -> str:
    """Return a spread with thin spaces around its sign."""
    return text.replace(" ± ", r"\,$\pm$\,")


def _room(digits: int, point: str = "") -> str:
    """Return room for some digits, behind a point if there is none yet."""
    return rf"\phantom{{{point}{'0' * digits}}}" if digits > 0 else ""


def _visible(text: str) -> int:
    """Return about how many characters of a typeset text can be seen."""
    return len(COMMAND.sub("", text))


MEASURED = Field("measured", "", _measured)
CONTRAST = Field("", "", _contrast)
PUBLISHED = Field("published", "", _published)
DIFFERENCE = Field(r"$\Delta$", r"\ ", _difference)
