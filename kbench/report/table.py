"""Tables: what is shown, before it is typeset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Final

from kbench.metrics import Metric
from kbench.report.axes import Path
from kbench.report.headings import Heading
from kbench.report.reference import Sign, Source, Verdict
from kbench.report.statistics import Contrast

NOT_KNOWN: Final = "n/a"
NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table.

    Attributes:
        metric: What its numbers are.
        value: Mean over the seeds that are ok; None if there are none.
        std: Sample standard deviation; None for one seed.
        n: Number of seeds in the mean.
        text: What stands in place of a missing value; empty if there is one.
        is_best: Best of its block, or not significantly different from the best.
        is_second: Best of the rest of its block.
        contrast: How it stands to the baseline of its block, p corrected; None if it was not
            tested against one.
        published: The paper's number in the same unit.
        published_std: Its standard deviation, if the paper has one.
        published_n: Runs behind it, if the paper says so.
        published_text: What stands in place of a published number; empty where the paper has no
            cell.
        sign: What stands before the published number, as `Reference` has it.
        has_cells: Whether the suite has cells for this place.
        sources: Places in the paper that the published number is from.
        difference: Measured minus published.
        verdict: How the measured number stands to the published one; None if the table has no
            published numbers.
        remarks: What has to be known about this place.
        marks: Letters of the footnotes that hold the remarks.
    """

    metric: Metric
    value: float | None = None
    std: float | None = None
    n: int = 0
    text: str = ""
    is_best: bool = False
    is_second: bool = False
    contrast: Contrast | None = None
    published: float | None = None
    published_std: float | None = None
    published_n: int | None = None
    published_text: str = ""
    sign: Sign = ""
    has_cells: bool = True
    sources: tuple[Source, ...] = ()
    difference: float | None = None
    verdict: Verdict | None = None
    remarks: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        suite: Name of the suite.
        id: Name of the table within the suite.
        caption: What it shows.
        scales: Scales of its cells, usually one.
        paper: Paper that the suite belongs to; empty without one.
        row_axes: Names of the row axes.
        column_axes: Names of the column axes, outermost first.
        row_names: What stands above the texts of the rows, one name for each level.
        rows: Headings of the rows.
        columns: Headings of the columns, those of one outer label side by side.
        entries: A tuple for each row with an entry for each column.
        notes: Footnotes of the whole table.
        footnotes: Letter and text of the footnotes of entries.
        baseline: Printed text of the baseline whose differences have columns; empty without.
    """

    suite: str
    id: str
    caption: str
    scales: tuple[str, ...]
    paper: str
    row_axes: Path
    column_axes: Path
    row_names: Path
    rows: tuple[Heading, ...]
    columns: tuple[Heading, ...]
    entries: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    footnotes: tuple[tuple[str, str], ...] = ()
    baseline: str = ""

    @property
    def all_entries(self) -> Iterator[Entry]:
        """Yield the entries, row by row."""
        return chain.from_iterable(self.entries)

    @cached_property
    def common_n(self) -> int | None:
        """Return the number of seeds of most means over several seeds; None without any."""
        return most_common_n(self.entries)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics, each once."""
        return tuple(dict.fromkeys(entry.metric for row in self.entries for entry in row))

    @cached_property
    def has_published(self) -> tuple[bool, ...]:
        """Return for each column whether the paper has places for it, if only unknown ones."""
        return self._has_published("")

    @cached_property
    def has_difference(self) -> tuple[bool, ...]:
        """Return for each column whether one of the paper's places has a number."""
        return self._has_published("", NOT_KNOWN)

    @cached_property
    def has_contrast(self) -> tuple[bool, ...]:
        """Return for each column whether differences to the baseline are shown."""
        return tuple(
            bool(self.baseline) and any(row[index].contrast for row in self.entries)
            for index in range(len(self.columns))
        )

    def _has_published(self, *blank: str) -> tuple[bool, ...]:
        return tuple(
            any(
                row[index].published is not None or row[index].published_text not in blank
                for row in self.entries
            )
            for index in range(len(self.columns))
        )


def footnote_mark(index: int) -> str:
    """Return a, b, ..., z, aa, ab, ... for 0, 1, ..."""
    mark = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        mark = chr(ord("a") + letter) + mark
    return mark


def most_common_n(entries: Iterable[Iterable[Entry]]) -> int | None:
    """Return the number of seeds of most means over several seeds; None without any."""
    sizes = Counter(entry.n for row in entries for entry in row if entry.n > 1)
    return max(sizes, key=lambda n: (sizes[n], n)) if sizes else None


def shared_heading(tables: Sequence[Table]) -> str:
    """Return what stands above the notes that all of a suite's tables have."""
    return f"On all tables of {tables[0].suite}:"


def shared_notes(tables: Sequence[Table]) -> tuple[str, ...]:
    """Return the notes that all of several tables have, which are told once below them."""
    if len(tables) < 2:
        return ()
    return tuple(note for note in tables[0].notes if all(note in item.notes for item in tables))


def number_remarks(table: Table) -> Table:
    """Give every remark a letter, in reading order; the same remark has the same letter.

    What all places of a column have in common is marked at its heading alone, and what all columns
    have in common is a note of the table.
    """
    told = [_common(row[index] for row in table.entries) for index in range(len(table.columns))]
    notes = _in_all(told)
    headings = [
        replace(column, notes=(*column.notes, *_without(own, notes)))
        for column, own in zip(table.columns, told, strict=True)
    ]
    left = [
        [_without(entry.remarks, own) for entry, own in zip(row, told, strict=True)]
        for row in table.entries
    ]
    groups = [*(heading.notes for heading in (*headings, *table.rows)), *chain.from_iterable(left)]
    texts = dict.fromkeys(chain.from_iterable(groups))
    marks = {text: footnote_mark(index) for index, text in enumerate(texts)}
    return replace(
        table,
        rows=_mark_headings(table.rows, marks),
        columns=_mark_headings(headings, marks),
        entries=tuple(
            _mark_entries(row, remarks, marks)
            for row, remarks in zip(table.entries, left, strict=True)
        ),
        notes=(*table.notes, *notes),
        footnotes=tuple((mark, text) for text, mark in marks.items()),
    )


def _in_all(lists: Sequence[Sequence[str]]) -> list[str]:
    """Return the texts that each of some lists has."""
    return [text for text in lists[0] if all(text in own for own in lists)] if lists else []


def _common(column: Iterable[Entry]) -> list[str]:
    """Return the remarks of all entries that are not empty; nothing if that is a single one."""
    filled = [entry for entry in column if entry.has_cells or entry.remarks or entry.published_text]
    if len(filled) < 2:
        return []
    return _in_all([entry.remarks for entry in filled])


def _without(texts: Iterable[str], told: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text not in told)


def _mark_entries(
    row: Iterable[Entry], remarks: Iterable[Sequence[str]], marks: Mapping[str, str]
) -> tuple[Entry, ...]:
    return tuple(
        replace(entry, marks=tuple(map(marks.__getitem__, own)))
        for entry, own in zip(row, remarks, strict=True)
    )


def _mark_headings(headings: Iterable[Heading], marks: Mapping[str, str]) -> tuple[Heading, ...]:
    return tuple(
        replace(heading, marks=tuple(marks[text] for text in heading.notes)) for heading in headings
    )
