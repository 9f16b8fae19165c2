"""Tables as data: a line for each row, column and metric, in full precision."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from kbench.report.headings import Heading
from kbench.report.table import Entry, Table

NUMBERS = ("value", "std", "n", "is_best", "is_second")
CONTRAST = ("baseline_difference", "baseline_half_width", "baseline_p", "baseline_test")
COMPARISON = (
    *("published", "published_std", "published_n", "published_text"),
    *("sign", "difference", "verdict"),
)
FIELDS = (
    *("suite", "scale", "table", "row", "column", "part", "metric", "unit", "direction"),
    *(*NUMBERS, *CONTRAST, *COMPARISON, "text", "remarks"),
)


def render_csv(tables: Iterable[Table]) -> str:
    """Return tables as comma-separated values with one header; what is missing is empty.

    Labels of several axes are joined by `/`, remarks by `; `.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        for row, column, point in _points(table):
            joined = {"row": row.key, "column": column.key}
            remarks = "; ".join(point["remarks"])
            writer.writerow({**point, **joined, "remarks": remarks})
    return file.getvalue()


def render_json(tables: Iterable[Table]) -> str:
    """Return tables as one JSON document, a point on a line; what is missing is null."""
    return "".join(["[\n", ",\n".join(map(_table, tables)), "\n]\n"])


def _table(table: Table) -> str:
    head = {
        "suite": table.suite,
        "table": table.id,
        "caption": table.caption,
        "notes": table.notes,
    }
    points = []
    for row, column, point in _points(table):
        labels = {
            "row": _labels(table.row_axes, row.labels),
            "column": _labels(table.column_axes, column.labels),
        }
        points.append(json.dumps({**point, **labels}, ensure_ascii=False, allow_nan=False))
    text = json.dumps(head, ensure_ascii=False)
    return "".join([text[:-1], ', "points": [\n', ",\n".join(points), "\n]}"])


def _labels(axes: Iterable[str], labels: tuple[str, ...]) -> dict[str, str]:
    """Return the label of each axis; a difference of two has one for the first axis only."""
    return {axis: text for axis, text in zip(axes, labels, strict=True) if text}


def _points(table: Table) -> Iterator[tuple[Heading, Heading, dict[str, Any]]]:
    for row, entries in zip(table.rows, table.entries, strict=True):
        for column, entry in zip(table.columns, entries, strict=True):
            yield row, column, _point(table, row.part or column.part, entry)


def _point(table: Table, part: str, entry: Entry) -> dict[str, Any]:
    metric = entry.metric
    named = {
        "suite": table.suite,
        "scale": "+".join(table.scales),
        "table": table.id,
        "part": part,
        "metric": metric.name,
        "unit": metric.unit,
        "direction": metric.direction,
    }
    values = {name: getattr(entry, name) for name in (*NUMBERS, *COMPARISON, "text")}
    found = entry.contrast
    contrast = (
        (found.difference, found.half_width, found.p_value, found.test) if found else (None,) * 4
    )
    contrasts = dict(zip(CONTRAST, contrast, strict=True))
    return {**named, **values, **contrasts, "remarks": list(entry.remarks)}
