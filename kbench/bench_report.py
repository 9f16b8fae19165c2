"""Rows of a benchmark, as a table and as a file that says where they were measured."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kbench.environment import describe_environment
from kbench.files import write_json
from kbench.formats import format_table


def report_rows(rows: Sequence[Any], output: Path | None) -> str:
    """Return a table of dataclass instances of one kind; also write them as JSON if asked to."""
    values = [asdict(row) for row in rows]
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, {"environment": describe_environment(), "rows": values})
    headers = list(values[0])
    return format_table(headers, [[_text(row[key]) for key in headers] for row in values])


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)
