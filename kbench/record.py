"""Record: the result of one cell, as JSON.

`record.json`, schema version 1, written once and in one step, holds

- `schema_version`, `id`, and `cell`: the complete configuration
- `status`: `ok`, `failed`, `diverged`, `oom` or `timeout`; `reason` says why; if ok, which
  evaluation could not be made, if any
- `metrics`: name -> value, unit, direction
- `environment`: versions, commit and dirty flag, hardware, dataset checksums, command, threads
- `versions`: of the operator and of the training code; a change makes the record stale
- `weights_sha256`: of the final weights, which lie in `weights.pt`; empty if not ok
- `log_tail`: the last lines of the log of a cell that is not ok
- `started`, `finished`: seconds since the epoch

Beside it lie `history.jsonl` (a line an epoch), `log.txt` and, until the cell is done,
`checkpoint.pt` and `progress.json`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from kbench.cell import Cell
from kbench.errors import RecordError
from kbench.files import write_json
from kbench.metrics import find_metric

SCHEMA_VERSION = 1
TRAINING_VERSION = 1
Status = Literal["ok", "failed", "diverged", "oom", "timeout"]
TYPES: dict[str, type | tuple[type, ...]] = {
    "status": str,
    "reason": str,
    "environment": dict,
    "versions": dict,
    "weights_sha256": str,
    "log_tail": list,
    "started": (int, float),
    "finished": (int, float),
}


@dataclass(frozen=True)
class Measurement:
    """One number with its meaning."""

    value: float
    unit: str
    direction: str


@dataclass(frozen=True)
class Record:
    """Result of one cell; the fields are those of the file, see the module's docstring."""

    cell: Cell
    status: Status
    reason: str = ""
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    weights_sha256: str = ""
    log_tail: tuple[str, ...] = ()
    started: float = 0.0
    finished: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema_version": SCHEMA_VERSION, "id": self.cell.id, **asdict(self)}


def record_path(results: Path, cell: Cell) -> Path:
    """Return where a cell's record lies in a results folder."""
    return results / f"{cell.suite}/{cell.scale}/{cell.id}/record.json"


def measure(metrics: Mapping[str, float]) -> dict[str, Measurement]:
    """Return values with the unit and direction of their metrics."""
    known = {name: find_metric(name) for name in metrics}
    return {
        name: Measurement(value, known[name].unit, known[name].direction)
        for name, value in metrics.items()
    }


def write_record(directory: Path, record: Record) -> None:
    """Write `record.json` of a cell's directory in one step.

    Raises:
        RecordError: If the directory cannot be written.
    """
    try:
        write_json(directory / "record.json", record.to_json())
    except OSError as error:
        message = f"{directory / 'record.json'}: cannot be written: {error.strerror}"
        raise RecordError(message) from error


def read_record(path: Path) -> Record:
    """Read a record file.

    Raises:
        RecordError: If the file is damaged, of another schema version, or its id is not that of
            the configuration it holds.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        message = f"{path}: not a readable record: {error}"
        raise RecordError(message) from error
    return parse_record(value, path)


def parse_record(value: Any, path: Path) -> Record:  # noqa: ANN401 - whatever JSON held
    """Return the record that JSON values describe; `path` is named in errors.

    Raises:
        RecordError: As `read_record`.
    """
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        message = f"{path}: schema version {version!r}; this kbench reads {SCHEMA_VERSION}"
        raise RecordError(message)
    expected = {f.name for f in fields(Record)} | {"schema_version", "id"}
    if set(value) != expected:
        message = f"{path}: other keys than a record has: {sorted(expected ^ set(value))}"
        raise RecordError(message)
    rest = {key: value[key] for key in TYPES}
    try:
        cell = Cell.from_json(value["cell"])
        metrics = {name: Measurement(**item) for name, item in value["metrics"].items()}
        _check_types(rest, {name: item.value for name, item in metrics.items()})
    except (RecordError, TypeError, AttributeError) as error:
        message = f"{path}: {error}"
        raise RecordError(message) from error
    if cell.id != value["id"]:
        message = f"{path}: id {value['id']!r} is not that of its configuration, {cell.id!r}"
        raise RecordError(message)
    return Record(cell, metrics=metrics, **{**rest, "log_tail": tuple(rest["log_tail"])})


def _check_types(values: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    wrong = [key for key, kind in TYPES.items() if not isinstance(values[key], kind)]
    wrong += [name for name, item in metrics.items() if not isinstance(item, int | float)]
    if not wrong and values["status"] not in get_args(Status):
        wrong = ["status"]
    if wrong:
        message = f"not what a record holds: {', '.join(wrong)}"
        raise RecordError(message)
