"""One cell, from its configuration to its record."""

import threading
import time
from pathlib import Path

import torch

from kbench.cell import Cell
from kbench.cell_run import CellRun
from kbench.checkpoint import save_weights
from kbench.cost import find_cost
from kbench.machine import Machine
from kbench.network import operator_version
from kbench.record import TRAINING_VERSION, Record, Status, measure


def run_cell(
    cell: Cell, directory: Path, machine: Machine, stop: threading.Event | None = None
) -> Record:
    """Train and evaluate one cell, from its last checkpoint if there is one.

    Args:
        cell: What to run.
        directory: Folder of the cell's files; made if it is not there.
        machine: Where and how.
        stop: Asks for a checkpoint and an end at the next step.

    Raises:
        InterruptedCellError: If `stop` was set; the checkpoint is saved.
        DatasetError: If data is missing or damaged.
        CheckpointError: If a checkpoint is damaged or belongs to another cell.
    """
    started = time.time()
    torch.set_num_threads(machine.threads)
    directory.mkdir(parents=True, exist_ok=True)
    cost = find_cost(cell)
    versions = {"training": TRAINING_VERSION, "operator": operator_version(cell)}
    run = CellRun(cell, directory, machine, stop or threading.Event(), versions)
    reason = run.train() or run.find_non_finite()
    status: Status = "diverged" if reason else "ok"
    metrics = {} if reason else {**run.final_metrics(), **cost.metrics}
    weights = {} if reason else run.training.evaluated.state_dict()
    return Record(
        cell=cell,
        status=status,
        reason=reason,
        metrics=measure(metrics),
        environment={**machine.environment, **run.describe()},
        versions=versions,
        weights_sha256=save_weights(directory, weights) if weights else "",
        started=started,
        finished=time.time(),
    )
