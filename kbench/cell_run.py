"""A cell while it runs: its phases, history, checkpoints, progress."""

import math
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from kbench.cell import Cell
from kbench.checkpoint import load_checkpoint, save_checkpoint
from kbench.cross_resolution import deploy, divide_phases
from kbench.errors import CheckpointError, InterruptedCellError
from kbench.machine import Machine
from kbench.network import build_network
from kbench.phase import Phase
from kbench.progress import (
    SHORTEST_INTERVAL_S,
    Progress,
    report_interval,
    write_history,
    write_progress,
)
from kbench.ranks import ALONE, Ranks

FINITE_CHECK_STEPS = 50
BOOKKEEPING = ("phase", "epoch", "lr", "images", "train_s")


class CellRun:
    """A cell while it runs.

    Args:
        cell: What to run.
        directory: Folder of the cell's files.
        machine: Where and how.
        stop: Asks for a checkpoint and an end at the next step.
        versions: Of the code that makes the numbers; a checkpoint of others is of no use.
        ranks: The processes that run it together; the first one writes the files.

    Attributes:
        phase: The phase that runs.
        history: A mapping for every epoch that is done.
        outcome: Metrics that are known before the end, of phases that are done.
        seconds: Time spent on `train`, `eval` and in `wall`, over all parts of the run.
    """

    def __init__(
        self,
        cell: Cell,
        directory: Path,
        machine: Machine,
        stop: threading.Event,
        versions: dict[str, int],
        ranks: Ranks = ALONE,
    ) -> None:
        self.opened = self.saved = time.perf_counter()
        self.cell, self.directory, self.machine, self.stop = cell, directory, machine, stop
        self.versions, self.ranks = versions, ranks
        self.cells = divide_phases(cell)
        torch.manual_seed(cell.seed)
        model = build_network(self.cells[0]).to(machine.device)
        if cell.recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)
        self.number = 0
        self.phase = Phase(self.cells[0], model, directory, machine, ranks)
        self.history: list[dict[str, float]] = []
        self.outcome: dict[str, float] = {}
        self.seconds = {"train": 0.0, "eval": 0.0, "wall": 0.0}
        self._restore()
        self.trained_from = time.perf_counter(), self.phase.training.step
        self._report(self.trained_from[0])

    def train(self) -> str:
        """Train to the last epoch; return why the cell has diverged, or nothing."""
        while True:
            if self.phase.recipe.epochs == 0 and not self._lines():
                self._add_line(self._timed(self.phase.measure))
            while not self.phase.is_done:
                reason = self._train_epoch() or self.phase.check_chance()
                if reason:
                    return reason
                self._finish_epoch()
            self.outcome |= self._timed(self.phase.measure_result)
            if self.number and self.phase.selection.line:
                metric = self.phase.task.metric
                self.outcome[f"finetuned_{metric}"] = self.phase.selection.line[metric]
            if self.number + 1 == len(self.cells):
                return self._find_non_finite()
            self._go_on()

    def final_metrics(self) -> dict[str, float]:
        """Return the metrics of the last epoch, of the whole cell, and speed and memory."""
        timed = [line for line in self.history if "train_s" in line]
        return {
            **{name: value for name, value in self.history[-1].items() if name not in BOOKKEEPING},
            **self.phase.selection.best_metrics(self._lines()),
            **self.outcome,
            **(_find_speed(timed[1:] or timed) if timed else {}),
            "train_s": self.seconds["train"],
            "eval_s": self.seconds["eval"],
            "wall_s": self._wall_s(),
            "peak_memory_mib": self._peak_memory_mib(),
        }

    def describe(self) -> dict[str, Any]:
        """Return what the record says of data, loader and device."""
        device = self.phase.training.device
        is_gpu = device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(device) if is_gpu else "cpu",
            "threads": self.machine.threads,
            "ranks": self.ranks.size,
            "loader": self.cell.recipe.loader,
            "batch_size": self.cell.recipe.batch_size,
            "steps_per_epoch": self.phase.training.steps_per_epoch,
            "dataset_checksums": self.phase.data.dataset.checksums(),
        }

    def _lines(self) -> list[dict[str, float]]:
        """Return the history of the phase that runs."""
        return [line for line in self.history if line.get("phase", 1) == self.number + 1]

    def _go_on(self) -> None:
        """Deploy the network of the phase that is done at the size of the next, and measure it."""
        metric = self.phase.task.metric
        source = (self.phase.selection.line or self.history[-1])[metric]
        self._open_next()
        deployed = self._timed(self.phase.evaluate)[metric]
        self.outcome |= {
            f"source_{metric}": source,
            f"ootb_{metric}": deployed,
            "ootb_delta": deployed - source,
        }
        self.trained_from = time.perf_counter(), 0

    def _open_next(self) -> None:
        """Start the next phase with the network of this one."""
        before, after = self.cells[self.number : self.number + 2]
        self.number += 1
        model = deploy(self.phase.training.evaluated, before, after)
        self.phase = Phase(after, model, self.directory, self.machine, self.ranks)

    def _train_epoch(self) -> str:
        """Take the remaining steps of an epoch; return why the loss is not finite, or nothing."""
        training = self.phase.training
        begun = time.perf_counter()
        for step in self.phase.steps():
            is_checked = step % FINITE_CHECK_STEPS == 0
            now = time.perf_counter()
            has_failed, has_to_stop, has_to_save = self.ranks.any(
                [
                    is_checked and not math.isfinite(float(training.totals.loss)),
                    self.stop.is_set(),
                    now - self.saved > self.machine.checkpoint_interval_s,
                ]
            )
            if has_failed:
                break
            if has_to_stop or has_to_save:
                self.seconds["train"] += now - begun
                self._save(is_last=has_to_stop)
                begun = time.perf_counter()
            if now - self.reported > report_interval(now - self.opened):
                self._report(now)
        loss = float(training.total().loss)
        self.seconds["train"] += time.perf_counter() - begun
        return "" if math.isfinite(loss) else f"loss is {loss} in epoch {self.phase.epoch + 1}"

    def _finish_epoch(self) -> None:
        """Evaluate and add the epoch's line to the history."""
        spent = self.seconds["train"] - sum(line.get("train_s", 0) for line in self.history)
        self._add_line({"train_s": spent, **self._timed(self.phase.finish_epoch)})
        now = time.perf_counter()
        if self.phase.is_done or now - self.reported > SHORTEST_INTERVAL_S:
            self._report(now)

    def _add_line(self, line: dict[str, float]) -> None:
        number = {"phase": self.number + 1} if len(self.cells) > 1 else {}
        self.history.append({**number, "epoch": self.phase.epoch, **line})
        if self.ranks.is_first:
            write_history(self.directory, self.history)

    def _timed(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        begun = time.perf_counter()
        found = measure()
        self.seconds["eval"] += time.perf_counter() - begun
        return found

    def _find_non_finite(self) -> str:
        """Return which metric of the last epoch is no number, or nothing."""
        for name, value in (self.history[-1] | self.outcome).items():
            if not math.isfinite(value):
                return f"{name} is {value} after the last epoch"
        return ""

    def _save(self, *, is_last: bool) -> None:
        """Save everything; the parts that are done need not be done again."""
        seconds = {**self.seconds, "wall": self._wall_s()}
        state = {
            "cell": self.cell.id,
            "versions": self.versions,
            "number": self.number,
            "phase": self.phase.state_dict(),
            "history": self.history,
            "outcome": self.outcome,
            "seconds": seconds,
        }
        if self.ranks.is_first:
            save_checkpoint(self.directory, state)
        self.saved = time.perf_counter()
        if is_last:
            message = f"{self.cell.id}: stopped after step {self.phase.training.step}"
            raise InterruptedCellError(message)

    def _restore(self) -> None:
        state = load_checkpoint(self.directory, self.phase.training.device)
        if state is None:
            return
        if state["cell"] != self.cell.id:
            message = f"{self.directory}: checkpoint is of cell {state['cell']!r}"
            raise CheckpointError(message)
        if state.get("versions") != self.versions:
            sys.stderr.write(
                f"{self.cell.id}: starts afresh: its checkpoint is of versions "
                f"{state.get('versions')}, now {self.versions}\n"
            )
            return
        while self.number < state["number"]:
            self._open_next()
        self.phase.load_state_dict(state["phase"])
        self.history, self.outcome = state["history"], state["outcome"]
        self.seconds = state["seconds"]

    def _report(self, now: float) -> None:
        """Write how far the cell is."""
        self.reported = now
        if not self.ranks.is_first:
            return
        training, totals = self.phase.training, self.phase.training.totals
        begun, first = self.trained_from
        steps = training.step - first
        pace = (now - begun) / steps if steps else None
        remaining = training.steps_per_epoch * self.phase.recipe.epochs - training.step
        metric = self.phase.task.metric
        tested = [line[metric] for line in self.history if metric in line]
        before = sum(cell.recipe.epochs for cell in self.cells[: self.number])
        progress = Progress(
            epoch=before + training.step / training.steps_per_epoch,
            epochs=sum(cell.recipe.epochs for cell in self.cells),
            loss=float(totals.loss) / totals.images if totals.images else None,
            metric=tested[-1] if tested else None,
            metric_name=metric,
            images_per_s=self.cell.recipe.batch_size / pace if pace else 0.0,
            eta_s=pace * remaining if pace else None,
        )
        write_progress(self.directory, progress)

    def _wall_s(self) -> float:
        return self.seconds["wall"] + time.perf_counter() - self.opened

    def _peak_memory_mib(self) -> float:
        if self.phase.training.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.phase.training.device) / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _find_speed(lines: list[dict[str, float]]) -> dict[str, float]:
    """Return how fast the epochs of a history were trained."""
    train_s = sum(line["train_s"] for line in lines)
    images = sum(line["images"] for line in lines)
    return {"images_per_s": images / train_s, "s_per_epoch": train_s / len(lines)}
