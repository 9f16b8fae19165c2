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
from kbench.ranks import ALONE, Ranks
from kbench.record import TRAINING_VERSION, Record, Status, measure
from kbench.reuse import find_twin, reuse_result


def run_cell(
    cell: Cell,
    directory: Path,
    machine: Machine,
    stop: threading.Event | None = None,
    ranks: Ranks = ALONE,
) -> Record:
    """Train and evaluate one cell, from its last checkpoint if there is one.

    An equal cell of another suite, or one that only lacks evaluations, is not trained again.

    Args:
        cell: What to run.
        directory: Folder of the cell's files; made if it is not there.
        machine: Where and how.
        stop: Asks for a checkpoint and an end at the next step.
        ranks: The processes that run it together; only the first one's record counts.

    Raises:
        InterruptedCellError: If `stop` was set; the checkpoint is saved.
        DatasetError: If data is missing or damaged.
        CheckpointError: If a checkpoint is damaged or belongs to another cell.
    """
    started = time.time()
    torch.set_num_threads(machine.threads)
    directory.mkdir(parents=True, exist_ok=True)
    versions = {"training": TRAINING_VERSION, "operator": operator_version(cell)}
    twin = ranks.tell(find_twin(cell, directory, versions) if machine.reuse else None)
    if twin is not None:
        return (
            reuse_result(cell, directory, twin, machine) if ranks.is_first else Record(cell, "ok")
        )
    run = CellRun(cell, directory, machine, stop or threading.Event(), versions, ranks)
    reason = run.train()
    status: Status = "diverged" if reason else "ok"
    cost = find_cost(run.cells[-1])  # at the size of the last phase
    metrics = {} if reason else {**cost.metrics, **run.final_metrics()}
    failures = [f"evaluation {label}: {why}" for label, why in run.phase.failures.items()]
    weights = {} if reason or not ranks.is_first else run.phase.training.evaluated.state_dict()
    return Record(
        cell=cell,
        status=status,
        reason=reason or "; ".join(failures),
        metrics=measure(metrics),
        environment={**machine.environment, **run.describe()},
        versions=versions,
        weights_sha256=save_weights(directory, weights) if weights else "",
        started=started,
        finished=time.time(),
    )
