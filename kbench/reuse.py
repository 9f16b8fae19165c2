"""Results that exist already: an equal cell of another suite, or one that lacks an evaluation.

A cell's id covers all that its training depends on, so two suites that have a cell in common train
it once. Evaluations that were added since run on the weights that were kept.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from kbench.cell import Cell, Choice
from kbench.checkpoint import WEIGHTS, load_weights
from kbench.errors import RecordError
from kbench.machine import Machine
from kbench.network import build_network
from kbench.phase import Phase
from kbench.progress import HISTORY
from kbench.record import Record, measure, read_record, record_path

NAME = "record.json"


def find_twin(cell: Cell, directory: Path, versions: Mapping[str, int]) -> Path | None:
    """Return the folder of an equal cell that has a result of the same versions.

    Args:
        cell: What is wanted.
        directory: Folder of the cell's files within a results folder.
        versions: Of the code that makes the numbers.
    """
    results = directory.resolve().parents[2]
    if record_path(results, cell).parent != directory.resolve():
        return None
    for path in sorted(results.glob(f"*/{cell.scale}/{cell.id}/{NAME}")):
        try:
            record = read_record(path)
        except RecordError:
            continue
        is_usable = record.status == "ok" and record.versions == versions
        is_extendable = cell.recipe.finetune is None or not _missing(record, cell)
        if is_usable and is_extendable and (path.parent / WEIGHTS).exists():
            return path.parent
    return None


def reuse_result(cell: Cell, directory: Path, twin: Path, machine: Machine) -> Record:
    """Return the record of an equal cell with the evaluations that it lacks.

    Raises:
        DatasetError: If an evaluation needs data that is missing or damaged.
        CheckpointError: If the weights are damaged.
    """
    record = read_record(twin / NAME)
    missing = _missing(record, cell)
    metrics = dict(record.metrics)
    if twin != directory.resolve():
        for path in (twin / HISTORY, twin / WEIGHTS, *twin.glob("*.npz")):
            if path.exists():
                shutil.copyfile(path, directory / path.name)
    if missing:
        torch.manual_seed(cell.seed)
        model = build_network(cell).to(machine.device)
        model.load_state_dict(load_weights(twin))
        phase = Phase(cell, model, directory, machine)
        metrics |= measure(phase.run_evaluations(missing))
    trained_for = record.environment.get("trained_for", record.cell.suite)
    environment = {**record.environment, "trained_for": trained_for}
    return replace(record, cell=cell, metrics=metrics, environment=environment)


def _missing(record: Record, cell: Cell) -> list[Choice]:
    """Return the evaluations of a cell that a record does not have."""
    done = [choice.definition for choice in record.cell.evaluate]
    return [choice for choice in cell.evaluate if choice.definition not in done]
