"""A phase of a cell: most cells have one; a cross-resolution protocol has a second.

Each phase has its own data, optimiser, schedule and best epoch; the network is handed on.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kbench.cell import Cell, Choice
from kbench.cell_data import load_data
from kbench.errors import UnsupportedError
from kbench.evaluations import is_periodic, run_evaluation
from kbench.evaluations.network import Evaluated
from kbench.machine import Machine
from kbench.ranks import ALONE, Ranks
from kbench.selection import Selection
from kbench.tasks import build_task
from kbench.train import DTYPES, Training, train_epoch


class Phase:
    """A phase of training with everything that it changes.

    Args:
        cell: What is trained, as `divide_phases` has it.
        model: The network, on its device.
        directory: Folder for what evaluations save.
        machine: Where and how.
        ranks: The processes that train together; the first one evaluates.

    Attributes:
        epoch: Epochs that are done.
        failures: Why an evaluation could not be made, by its label.
    """

    def __init__(
        self,
        cell: Cell,
        model: nn.Module,
        directory: Path,
        machine: Machine,
        ranks: Ranks = ALONE,
    ) -> None:
        device = torch.device(machine.device)
        self.cell, self.recipe, self.directory = cell, cell.recipe, directory
        self.data = load_data(cell, machine.data_root, device, ranks.share)
        self.task = build_task(cell.task, self.data.dataset, cell.recipe)
        self.training = Training(model, self.task, len(self.data.train), device, ranks)
        self.selection = Selection(cell.recipe, self.task.metric)
        self.epoch = 0
        self.failures: dict[str, str] = {}

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to train."""
        return self.epoch >= self.recipe.epochs or self.selection.is_exhausted

    def steps(self) -> Iterator[int]:
        """Take the remaining steps of the epoch; yield their number so far, after each."""
        start = self.training.step - self.epoch * self.training.steps_per_epoch
        return train_epoch(self.training, self.data.train.batches(self.epoch, start))

    def check_chance(self) -> str:
        """Return that the accuracy is still that of guessing, if the recipe wants to know."""
        after = self.recipe.chance_after_epochs
        if after is None or self.epoch + 1 < after:
            return ""
        totals, chance = self.training.total(), 1 / self.data.dataset.num_classes
        error = math.sqrt(chance * (1 - chance) / totals.images)
        accuracy = float(totals.correct) / totals.images
        if accuracy > chance + 3 * error:
            return ""
        return f"training accuracy {accuracy:.2%} is chance level after epoch {self.epoch + 1}"

    def finish_epoch(self) -> dict[str, float]:
        """Evaluate and start new sums; return what was measured."""
        totals, self.epoch = self.training.total(), self.epoch + 1
        line = {
            "lr": self.training.lr,
            "images": totals.images,
            "train_loss": float(totals.loss) / totals.images,
        }
        if self.data.dataset.num_classes:
            line["train_top1"] = 100 * float(totals.correct) / totals.images
        self.training.totals = self.training.empty_totals()
        if self.epoch == self.recipe.epochs or self.epoch % self.recipe.eval_every_epochs == 0:
            line |= self.measure()
        return line

    def measure(self) -> dict[str, float]:
        """Evaluate the present network and note whether it is the best so far."""
        line = self.evaluate()
        self.selection.note(line, self.training.evaluated)
        watched = line.get(f"val_{self.task.metric}", line.get(self.task.metric))
        if watched is not None:
            self.training.plateau.note(watched, self.recipe)
        return line

    def evaluate(self) -> dict[str, float]:
        """Evaluate the present network on the test and, if there is one, validation split."""
        ranks = self.training.ranks
        return ranks.tell(self._evaluate() if ranks.is_first else {})

    def _evaluate(self) -> dict[str, float]:
        line = self.run_evaluations(filter(is_periodic, self.cell.evaluate))
        if self.data.validation is not None:
            with self._evaluated().autocast():
                found = self.task.evaluate(self.training.evaluated, self.data.validation.batches(0))
            line |= {f"val_{name}": found[name] for name in (self.task.metric, "loss")}
        return line

    def measure_result(self) -> dict[str, float]:
        """Evaluate what is evaluated once, on the weights that the recipe keeps."""
        self.selection.restore(self.training.evaluated)
        ranks = self.training.ranks
        chosen = (choice for choice in self.cell.evaluate if not is_periodic(choice))
        return ranks.tell(self.run_evaluations(chosen) if ranks.is_first else {})

    def run_evaluations(self, choices: Iterable[Choice]) -> dict[str, float]:
        """Return the metrics of some evaluations of the present network.

        One that cannot be made of this network is noted in `failures`; training is not lost by it.
        """
        found: dict[str, float] = {}
        for choice in choices:
            try:
                found |= run_evaluation(choice, self._evaluated())
            except UnsupportedError as error:
                self.failures[choice.label] = str(error)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors and plain values."""
        return {
            "epoch": self.epoch,
            "training": self.training.state_dict(),
            "selection": self.selection.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` left off."""
        self.epoch = state["epoch"]
        self.training.load_state_dict(state["training"])
        self.selection.load_state_dict(state["selection"])

    def _evaluated(self) -> Evaluated:
        return Evaluated(
            self.training.evaluated.eval(),
            self.data.test,
            self.data.statistics,
            self.training.device,
            self.directory,
            self.task,
            DTYPES[self.recipe.precision],
        )
