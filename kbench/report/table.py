"""Tables: what is shown, before it is typeset."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kbench.metrics import Metric, find_metric
from kbench.report.axes import Path
from kbench.report.reference import Heading, Verdict


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        heading: Labels on the column axes.
        metric: What its numbers are.
    """

    heading: Heading
    metric: Metric


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table.

    Attributes:
        value: Mean over the seeds that are ok; None if there are none.
        std: Sample standard deviation; None for one seed.
        n: Number of seeds in the mean.
        text: What stands in place of a missing value; empty if there is one.
        is_best: Best of its block, or not significantly different from the best.
        is_second: Best of the rest of its block.
        published: The paper's number in the same unit.
        published_std: Its standard deviation, if the paper has one.
        published_n: Runs behind it, if the paper says so.
        difference: Measured minus published.
        verdict: How the measured number stands to the published one; None if the table has no
            published numbers.
        remarks: What has to be known about this place.
        marks: Letters of the footnotes that hold the remarks.
    """

    value: float | None = None
    std: float | None = None
    n: int = 0
    text: str = ""
    is_best: bool = False
    is_second: bool = False
    published: float | None = None
    published_std: float | None = None
    published_n: int | None = None
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
        row_axes: Names of the row axes.
        column_axes: Names of the column axes, outermost first.
        rows: Headings of the rows.
        columns: Columns, those of one outer label side by side.
        entries: A tuple for each row with an entry for each column.
        notes: Footnotes of the whole table.
        footnotes: Letter and text of the footnotes of entries.
    """

    suite: str
    id: str
    caption: str
    scales: tuple[str, ...]
    row_axes: Path
    column_axes: Path
    rows: tuple[Heading, ...]
    columns: tuple[Column, ...]
    entries: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    footnotes: tuple[tuple[str, str], ...] = ()

    @cached_property
    def common_n(self) -> int | None:
        """Return the number of seeds of most means over several seeds; None without any."""
        return most_common_n(self.entries)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics, each once."""
        return tuple(dict.fromkeys(column.metric for column in self.columns))

    def column_labels(self, column: int) -> Path:
        """Return the labels of a column as headers show them, values of options with their name."""
        heading = self.columns[column].heading
        if heading.minus is not None:
            return heading.labels
        return tuple(
            f"{axis.partition('.')[2]}={text}" if "." in axis else text
            for axis, text in zip(self.column_axes, heading.labels, strict=True)
        )

    @cached_property
    def has_published(self) -> tuple[bool, ...]:
        """Return for each column whether it has published numbers beside its own."""
        return tuple(
            any(row[index].published is not None for row in self.entries)
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


def make_columns(headings: Iterable[Heading], metrics: Sequence[str]) -> tuple[Column, ...]:
    """Return a column for every heading and metric, the metrics innermost.

    Raises:
        UnknownNameError: If a metric is not known.
    """
    found = [find_metric(name) for name in metrics]
    return tuple(Column(heading, metric) for heading in headings for metric in found)


def number_remarks(
    entries: Sequence[Sequence[Entry]],
) -> tuple[tuple[tuple[Entry, ...], ...], tuple[tuple[str, str], ...]]:
    """Give every remark a letter, in reading order; the same remark has the same letter."""
    texts = dict.fromkeys(text for row in entries for entry in row for text in entry.remarks)
    marks = {text: footnote_mark(index) for index, text in enumerate(texts)}
    marked = tuple(
        tuple(replace(entry, marks=tuple(marks[text] for text in entry.remarks)) for entry in row)
        for row in entries
    )
    return marked, tuple((mark, text) for text, mark in marks.items())
