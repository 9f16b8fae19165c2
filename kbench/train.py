"""Training: one optimiser step after the other, from a state that can be saved between any two."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from kbench.loaders.batch import Batch
from kbench.optim import Plateau, build_optimizer, learning_rate
from kbench.ranks import ALONE, Ranks
from kbench.tasks.task import Task

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class EpochTotals:
    """Sums over the steps of an epoch so far, kept on the device."""

    loss: Tensor
    correct: Tensor
    images: int = 0


class Training:
    """A network with everything that its training changes.

    Args:
        model: The network, on its device.
        task: What is learned, and the recipe.
        steps_per_epoch: Optimiser steps of an epoch.
        device: Where the network and the batches are.
        ranks: The processes that train the network together.

    Attributes:
        step: Optimiser steps taken.
        lr: Learning rate of the last one; 0 before the first.
        totals: Sums over the current epoch.
        plateau: What the schedule of that name remembers.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        steps_per_epoch: int,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model = model
        self.task = task
        self.recipe = recipe = task.recipe
        self.steps_per_epoch = steps_per_epoch
        self.device = device
        self.ranks = ranks
        self.optimizer = build_optimizer(model, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.average = copy.deepcopy(model) if recipe.ema_decay is not None else None
        self.regularisations = declared_regularisations(model)
        self.wrapped = ranks.wrap(model, sync_batch_norm=recipe.sync_batch_norm)
        self.run = torch.compile(self.wrapped) if recipe.compile else self.wrapped
        self.step = 0
        self.lr = 0.0
        self.totals = self.empty_totals()
        self.plateau = Plateau()

    @property
    def evaluated(self) -> nn.Module:
        """Return the network that evaluations see: the averaged one if there is one."""
        return self.model if self.average is None else self.average

    def empty_totals(self) -> EpochTotals:
        """Return the sums before the first step of an epoch."""
        return EpochTotals(
            torch.zeros((), dtype=torch.float64, device=self.device),
            torch.zeros((), dtype=torch.float64, device=self.device),
        )

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of the recipe's precision."""
        is_mixed = self.recipe.precision != "fp32"
        return torch.autocast(self.device.type, DTYPES[self.recipe.precision], enabled=is_mixed)

    def take_step(self, batch: Batch) -> None:
        """Take one optimiser step on a batch."""
        self._set_learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        size = len(batch.targets)
        whole = int(self.ranks.add([size])[0])
        parts = [values.chunk(self.recipe.accumulate) for values in batch]
        for number, (inputs, targets) in enumerate(zip(*parts, strict=True), 1):
            share = len(targets) / size
            # Gradients are averaged over the processes; this makes it an average over samples.
            weight = share * size * self.ranks.size / whole
            with self.ranks.hold(self.wrapped, is_last=number == len(parts[0])):
                self._add_gradients(inputs, targets, weight, share)
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average_weights()
        self.step += 1

    def _set_learning_rate(self) -> None:
        """Give every parameter group the rate of the next step."""
        position = self.recipe, self.step, self.steps_per_epoch
        self.lr = learning_rate(*position, self.plateau.factor)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(*position, self.plateau.factor * group["lr_scale"])

    def _add_gradients(self, inputs: Tensor, targets: Tensor, weight: float, share: float) -> None:
        """Add the gradients of `weight` times the loss and `share` of the penalties."""
        with self.autocast():
            outputs = self.run(inputs)
            loss = self.task.loss(outputs, targets)
            penalty = sum((penalise() for penalise in self.regularisations), torch.zeros_like(loss))
        objective = loss * weight + penalty * share
        torch.autograd.backward(self.scaler.scale(objective))
        self.totals.loss += (loss + penalty).detach().double() * len(targets)
        self.totals.correct += self.task.count_correct(outputs.detach(), targets)
        self.totals.images += len(targets)

    def total(self) -> EpochTotals:
        """Return the sums of all processes."""
        own = self.totals
        loss, correct, images = self.ranks.add([float(own.loss), float(own.correct), own.images])
        found = EpochTotals(torch.zeros_like(own.loss), torch.zeros_like(own.correct), int(images))
        found.loss += loss
        found.correct += correct
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors and plain values."""
        return {
            "step": self.step,
            "lr": self.lr,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "plateau": asdict(self.plateau),
            "totals": asdict(self.total()),
            "rng": self.ranks.gather(self._random_state()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` left off."""
        self.step, self.lr = state["step"], state["lr"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.ranks.is_first:
            self.totals = EpochTotals(**state["totals"])
        self.plateau = Plateau(**state["plateau"])
        # More processes than before share the states that there are.
        rng = state["rng"][self.ranks.number % len(state["rng"])]
        torch.set_rng_state(rng["cpu"].cpu())
        if rng["cuda"] is not None:
            torch.cuda.set_rng_state(rng["cuda"].cpu())

    def _random_state(self) -> dict[str, Tensor | None]:
        is_gpu = self.device.type == "cuda"
        return {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if is_gpu else None,
        }

    @torch.no_grad()
    def _average_weights(self) -> None:
        if self.average is None or self.recipe.ema_decay is None:
            return
        current = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - self.recipe.ema_decay)
            else:
                value.copy_(current[name])


def declared_regularisations(model: nn.Module) -> list[Callable[[], Tensor]]:
    """Return the penalties that operators of a network declare."""
    return [
        partial(declared, module)
        for module in model.modules()
        if (declared := getattr(type(module), "regularisation", None)) is not None
    ]


def train_epoch(training: Training, batches: Iterable[Batch]) -> Iterator[int]:
    """Take a step on each batch and yield the number of steps taken in all, after each.

    Whoever iterates may save the state between any two steps.
    """
    training.model.train()
    for batch in batches:
        training.take_step(batch)
        yield training.step
