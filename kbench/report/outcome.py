"""What became of cells, from their records; each record is read once."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from kbench.cell import Cell
from kbench.errors import RecordError
from kbench.progress import read_history
from kbench.record import SCHEMA_VERSION, Status
from kbench.record_head import read_head
from kbench.state import find_versions
from kbench.suite_file import SuiteFile

MAX_FINDINGS = 20
EPOCH = "epoch"
STATUSES = get_args(Status)


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes:
        cell: The cell.
        status: As in its record; `missing` without one, `invalid` if it cannot exist.
        reason: Why it is not ok.
        metrics: Measured values by metric.
        is_stale: Whether its record was made by older code.
    """

    cell: Cell
    status: Status | Literal["missing", "invalid"]
    reason: str
    metrics: Mapping[str, float]
    is_stale: bool = False


def read_outcomes(
    cells: Sequence[Cell], results: Path, epochs: Set[str] = frozenset()
) -> list[Outcome]:
    """Read what became of cells.

    A record is taken for that of a cell if it bears the cell's id, which is a hash of everything
    that defines the result.

    Args:
        cells: The cells.
        results: Folder of all results.
        epochs: Parts such as `epoch3` whose metrics are read from the history.

    Raises:
        RecordError: If records are damaged, of another cell or of another schema version; one line
            for each of the first ones.
    """
    begun = _find_begun(cells, results)
    outcomes: list[Outcome] = []
    findings: list[str] = []
    for cell in cells:
        if cell.id not in begun[cell.suite, cell.scale]:
            outcomes.append(Outcome(cell, "missing", "", {}))
            continue
        try:
            outcomes.append(read_outcome(cell, results, epochs))
        except RecordError as error:
            findings.append(str(error))
            if len(findings) == MAX_FINDINGS:
                break
    if findings:
        raise RecordError("\n".join(findings))
    return outcomes


def read_outcome(cell: Cell, results: Path, epochs: Set[str] = frozenset()) -> Outcome:
    """Read what became of a cell.

    Raises:
        RecordError: If the record is damaged, of another cell or of another schema version.
    """
    path = f"{results}/{cell.suite}/{cell.scale}/{cell.id}/record.json"
    try:
        value = read_head(path, with_metrics=True)
    except (FileNotFoundError, NotADirectoryError):
        return Outcome(cell, "missing", "", {})
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise RecordError(message) from error
    except ValueError as error:
        message = f"{path}: not a readable record: {error}"
        raise RecordError(message) from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        message = f"{path}: schema version {version!r}; this kbench reads {SCHEMA_VERSION}"
        raise RecordError(message)
    return _outcome(cell, value, path, epochs)


def find_epochs(suite: SuiteFile) -> frozenset[str]:
    """Return the parts of a suite's tables that are epochs."""
    parts = {part for spec in suite.tables for part in spec.parts}
    return frozenset(part for part in parts if part.removeprefix(EPOCH).isdecimal())


def _find_begun(cells: Iterable[Cell], results: Path) -> dict[tuple[str, str], set[str]]:
    """Return the names of the cells that have a folder, by suite and scale."""
    begun: dict[tuple[str, str], set[str]] = {}
    for suite, scale in {(cell.suite, cell.scale) for cell in cells}:
        begun[suite, scale] = set()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            begun[suite, scale] = {entry.name for entry in os.scandir(results / suite / scale)}
    return begun


def _outcome(cell: Cell, value: Mapping[str, Any], path: str, epochs: Set[str]) -> Outcome:
    if value.get("id") != cell.id:
        message = f"{path}: holds cell {value.get('id')!r}, not {cell.id!r}"
        raise RecordError(message)
    if value.get("status") not in STATUSES:
        message = f"{path}: unknown status {value.get('status')!r}"
        raise RecordError(message)
    status: Status = value["status"]
    try:
        metrics = {name: float(item["value"]) for name, item in value["metrics"].items()}
        is_stale = status == "ok" and bool(find_versions(value, cell))
        reason = value["reason"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{path}: not what this version of kbench writes: {error!r}"
        raise RecordError(message) from error
    if epochs:
        metrics |= _history_metrics(Path(path).parent, epochs)
    return Outcome(cell, status, reason, metrics, is_stale)


def _history_metrics(folder: Path, epochs: Set[str]) -> dict[str, float]:
    """Return the metrics of single epochs, as `top1.epoch3`; epochs are counted from 1."""
    found = {}
    for number, line in enumerate(read_history(folder), 1):
        epoch = f"{EPOCH}{number}"
        if epoch in epochs:
            for name, value in line.items():
                base, dot, rest = name.partition(".")
                found[f"{base}.{epoch}{dot}{rest}"] = float(value)
    return found
