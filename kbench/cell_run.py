"""A cell while it runs: data, network, training state, history, checkpoints, progress."""

import math
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from kbench.cell import Cell
from kbench.cell_data import load_data
from kbench.checkpoint import load_checkpoint, save_checkpoint
from kbench.errors import CheckpointError, InterruptedCellError
from kbench.evaluations import run_evaluation
from kbench.evaluations.network import Evaluated
from kbench.machine import Machine
from kbench.network import build_network
from kbench.progress import Progress, write_history, write_progress
from kbench.train import DTYPES, Training, train_epoch

FINITE_CHECK_STEPS = 50
PROGRESS_INTERVAL_S = 1.0
BOOKKEEPING = ("epoch", "lr", "images", "train_s")


class CellRun:
    """A cell while it runs.

    Args:
        cell: What to run.
        directory: Folder of the cell's files.
        machine: Where and how.
        stop: Asks for a checkpoint and an end at the next step.
        versions: Of the code that makes the numbers; a checkpoint of others is of no use.

    Attributes:
        history: A mapping for every epoch that is done.
        seconds: Time spent on `train`, `eval` and in `wall`, over all parts of the run.
    """

    def __init__(
        self,
        cell: Cell,
        directory: Path,
        machine: Machine,
        stop: threading.Event,
        versions: dict[str, int],
    ) -> None:
        self.opened = self.saved = time.perf_counter()
        self.cell, self.directory, self.machine, self.stop = cell, directory, machine, stop
        self.versions = versions
        device = torch.device(machine.device)
        self.data = load_data(cell, machine.data_root, device)
        torch.manual_seed(cell.seed)
        model = build_network(cell).to(device)
        if cell.recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)
        self.training = Training(model, cell.recipe, len(self.data.train), device)
        self.history: list[dict[str, float]] = []
        self.seconds = {"train": 0.0, "eval": 0.0, "wall": 0.0}
        self._restore()
        self.trained_from = time.perf_counter(), self.training.step
        self._report(self.trained_from[0])

    def train(self) -> str:
        """Train to the last epoch; return why the cell has diverged, or nothing."""
        for epoch in range(len(self.history), self.cell.recipe.epochs):
            reason = self._train_epoch(epoch) or self._check_chance(epoch)
            if reason:
                return reason
            self._finish_epoch(epoch)
        return ""

    def find_non_finite(self) -> str:
        """Return which metric of the last epoch is no number, or nothing."""
        for name, value in self.history[-1].items():
            if not math.isfinite(value):
                return f"{name} is {value} after the last epoch"
        return ""

    def final_metrics(self) -> dict[str, float]:
        """Return the metrics of the last epoch, and speed and memory."""
        last, timed = self.history[-1], self.history[1:] or self.history
        train_s = sum(line["train_s"] for line in timed)
        tested = [line["top1"] for line in self.history if "top1" in line]
        return {
            **{name: value for name, value in last.items() if name not in BOOKKEEPING},
            **({"top1_best": max(tested)} if tested else {}),
            "images_per_s": sum(line["images"] for line in timed) / train_s,
            "s_per_epoch": train_s / len(timed),
            "train_s": self.seconds["train"],
            "eval_s": self.seconds["eval"],
            "wall_s": self._wall_s(),
            "peak_memory_mib": self._peak_memory_mib(),
        }

    def describe(self) -> dict[str, Any]:
        """Return what the record says of data, loader and device."""
        device = self.training.device
        is_gpu = device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(device) if is_gpu else "cpu",
            "threads": self.machine.threads,
            "loader": self.cell.recipe.loader,
            "batch_size": self.cell.recipe.batch_size,
            "steps_per_epoch": self.training.steps_per_epoch,
            "dataset_checksums": self.data.checksums,
        }

    def _train_epoch(self, epoch: int) -> str:
        """Take the remaining steps of an epoch; return why the loss is not finite, or nothing."""
        training = self.training
        start = training.step - epoch * training.steps_per_epoch
        begun = time.perf_counter()
        for step in train_epoch(training, self.data.train.batches(epoch, start)):
            if step % FINITE_CHECK_STEPS == 0 and not math.isfinite(float(training.totals.loss)):
                break
            now = time.perf_counter()
            if self.stop.is_set() or now - self.saved > self.machine.checkpoint_interval_s:
                self.seconds["train"] += now - begun
                self._save()
                begun = time.perf_counter()
            if now - self.reported > PROGRESS_INTERVAL_S:
                self._report(now)
        loss = float(training.totals.loss)
        self.seconds["train"] += time.perf_counter() - begun
        return "" if math.isfinite(loss) else f"loss is {loss} in epoch {epoch + 1}"

    def _check_chance(self, epoch: int) -> str:
        """Return that the accuracy is still that of guessing, if the recipe wants to know."""
        after = self.cell.recipe.chance_after_epochs
        if after is None or epoch + 1 < after:
            return ""
        totals, chance = self.training.totals, 1 / self.data.num_classes
        error = math.sqrt(chance * (1 - chance) / totals.images)
        accuracy = int(totals.correct) / totals.images
        if accuracy > chance + 3 * error:
            return ""
        return f"training accuracy {accuracy:.2%} is chance level after epoch {epoch + 1}"

    def _finish_epoch(self, epoch: int) -> None:
        """Evaluate, add the epoch's line to the history and start new sums."""
        training, totals = self.training, self.training.totals
        spent = self.seconds["train"] - sum(line["train_s"] for line in self.history)
        line = {
            "epoch": epoch + 1,
            "lr": training.lr,
            "images": totals.images,
            "train_loss": float(totals.loss) / totals.images,
            "train_top1": 100 * int(totals.correct) / totals.images,
            "train_s": spent,
        }
        begun = time.perf_counter()
        self.history.append({**line, **self._evaluate(epoch)})
        self.seconds["eval"] += time.perf_counter() - begun
        training.totals = training.empty_totals()
        write_history(self.directory, self.history)
        self._report(time.perf_counter())

    def _evaluate(self, epoch: int) -> dict[str, float]:
        recipe = self.cell.recipe
        is_last = epoch + 1 == recipe.epochs
        if not is_last and (epoch + 1) % recipe.eval_every_epochs:
            return {}
        network = Evaluated(
            self.training.evaluated,
            self.data.test,
            self.data.statistics,
            self.training.device,
            DTYPES[recipe.precision],
        )
        found: dict[str, float] = {}
        for choice in self.cell.evaluate:
            if is_last or choice.name == "test":
                found |= run_evaluation(choice, network)
        return found

    def _save(self) -> None:
        """Save everything; the parts that are done need not be done again."""
        seconds = {**self.seconds, "wall": self._wall_s()}
        state = {
            "cell": self.cell.id,
            "versions": self.versions,
            "training": self.training.state_dict(),
            "history": self.history,
            "seconds": seconds,
        }
        save_checkpoint(self.directory, state)
        self.saved = time.perf_counter()
        if self.stop.is_set():
            message = f"{self.cell.id}: stopped after step {self.training.step}"
            raise InterruptedCellError(message)

    def _restore(self) -> None:
        state = load_checkpoint(self.directory, self.training.device)
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
        self.training.load_state_dict(state["training"])
        self.history, self.seconds = state["history"], state["seconds"]

    def _report(self, now: float) -> None:
        """Write how far the cell is."""
        training, totals = self.training, self.training.totals
        begun, first = self.trained_from
        steps = training.step - first
        pace = (now - begun) / steps if steps else None
        remaining = training.steps_per_epoch * self.cell.recipe.epochs - training.step
        tested = [line["top1"] for line in self.history if "top1" in line]
        self.reported = now
        progress = Progress(
            epoch=training.step / training.steps_per_epoch,
            epochs=self.cell.recipe.epochs,
            loss=float(totals.loss) / totals.images if totals.images else None,
            metric=tested[-1] if tested else None,
            images_per_s=self.cell.recipe.batch_size / pace if pace else 0.0,
            eta_s=pace * remaining if pace else None,
        )
        write_progress(self.directory, progress)

    def _wall_s(self) -> float:
        return self.seconds["wall"] + time.perf_counter() - self.opened

    def _peak_memory_mib(self) -> float:
        if self.training.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.training.device) / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
