"""Rows of a benchmark, as a table and as a file that says where they were measured."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from kbench.environment import describe_environment
from kbench.files import write_bytes, write_json
from kbench.formats import format_table


def report_rows(
    rows: Sequence[Any],
    output: Path | None,
    markdown: Path | None = None,
    shared: Sequence[str] = (),
) -> str:
    """Return a table of dataclass instances of one kind; also write files if asked to.

    Args:
        rows: At least one.
        output: Where to write them as JSON, with the environment.
        markdown: Where to write the table as Markdown, with the environment in a line.
        shared: Fields that are equal in all rows; they stand above the table.
    """
    values = [asdict(row) for row in rows]
    headers = [key for key in values[0] if key not in shared]
    cells = [[_text(row[key]) for key in headers] for row in values]
    head = ", ".join(f"{key} {_text(values[0][key])}" for key in shared)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, {"environment": describe_environment(), "rows": values})
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(markdown, _markdown(headers, cells, head).encode())
    table = format_table(headers, cells)
    return f"{head}\n\n{table}" if head else table


def _markdown(headers: Sequence[str], cells: Sequence[Sequence[str]], head: str) -> str:
    environment = describe_environment()
    versions, commit = environment["versions"], environment["commit"]
    machine = f"torch {versions['torch']}, {environment['cpu']}, commit {commit['hash']}"
    table = tabulate(cells, headers, tablefmt="github", disable_numparse=True)
    return (
        "\n\n".join(part for part in (f"`{environment['command']}`", machine, head, table) if part)
        + "\n"
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)
