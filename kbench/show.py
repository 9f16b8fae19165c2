"""One cell, as a person wants to see it."""

import glob
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from kbench.errors import RecordError
from kbench.formats import format_seconds, format_table
from kbench.metrics import METRICS
from kbench.progress import read_history
from kbench.record import Record, read_record

CURVE_LINES = 12


def describe_cell(results: Path, name: str) -> str:
    """Return configuration, curve, result, environment and log of a cell.

    Args:
        results: Folder of all results.
        name: The cell's id, the beginning of it, or the path of its folder.

    Raises:
        RecordError: If no record or several fit the name.
    """
    directory = find_directory(results, name)
    record = read_record(directory / "record.json")
    sections = [
        f"{record.cell.id}  ({record.cell.suite}, scale {record.cell.scale})",
        _format_outcome(record),
        f"configuration\n{json.dumps(record.cell.definition, indent=1)}",
        _format_curve(read_history(directory)),
        f"environment\n{json.dumps(dict(record.environment), indent=1)}",
        "\n".join(["log", *record.log_tail]) if record.log_tail else "",
        _format_reproduction(record, results),
    ]
    return "\n\n".join(section for section in sections if section)


def find_directory(results: Path, name: str) -> Path:
    """Return the folder of the only record that a name fits.

    Raises:
        RecordError: If none or several fit.
    """
    if (Path(name) / "record.json").exists():
        return Path(name)
    found = sorted(path.parent for path in results.glob(f"*/*/{glob.escape(name)}*/record.json"))
    exact = [path for path in found if path.name == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        message = f"no record in {str(results)!r} for a cell {name!r}"
        raise RecordError(message)
    names = ", ".join(str(path.relative_to(results)) for path in found[:10])
    message = f"{len(found)} records fit {name!r}: {names}; give the folder of one"
    raise RecordError(message)


def _format_outcome(record: Record) -> str:
    took = format_seconds(record.finished - record.started)
    head = f"{record.status} after {took}" + (f": {record.reason}" if record.reason else "")
    rows = [
        (name, f"{item.value:,.{METRICS[name].decimals if name in METRICS else 4}f}", item.unit)
        for name, item in sorted(record.metrics.items())
    ]
    return "\n".join([head, "", format_table(("metric", "value", "unit"), rows)]) if rows else head


def _format_curve(history: list[dict[str, float]]) -> str:
    """Return at most a dozen epochs, evenly spread, the last one among them."""
    if not history:
        return ""
    step = max(1, -(-len(history) // CURVE_LINES))
    lines = history[::-step][::-1]
    keys = list(dict.fromkeys(key for line in lines for key in line))
    rows: Iterable[list[str]] = [
        [f"{line[key]:.5g}" if key in line else "" for key in keys] for line in lines
    ]
    return f"curve\n{format_table(keys, rows)}"


def _format_reproduction(record: Record, results: Path) -> str:
    line = json.dumps(asdict(record.cell))
    command = f"kbench cell manifest.jsonl 0 --results {results}"
    return f"reproduce with: {command}\nwhere manifest.jsonl holds the line\n{line}"
