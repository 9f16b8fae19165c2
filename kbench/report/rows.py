"""Lists of named values as Markdown, CSV or JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from kbench.report.markdown import escape

Row = Mapping[str, object]
FORMATS = ("markdown", "csv", "json")


def render_rows(name: str, rows: Sequence[Row]) -> str:
    """Return rows with the same keys in one of `FORMATS`."""
    if name == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False)
    if name == "csv":
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()
    body = [[escape(str(value)) for value in row.values()] for row in rows]
    headers = list(map(escape, rows[0])) if rows else []
    is_number = [isinstance(value, int) for value in (rows[0].values() if rows else ())]
    align = ["right" if number else "left" for number in is_number]
    return tabulate(body, headers, tablefmt="pipe", disable_numparse=True, colalign=align)
