"""Training: one optimiser step after the other, from a state that can be saved between any two."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from kbench.loaders.batch import Batch
from kbench.optim import build_optimizer, learning_rate, set_learning_rate
from kbench.recipe import Recipe
from kbench.tasks.classification import count_correct, loss_of

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
        recipe: How it is trained.
        steps_per_epoch: Optimiser steps of an epoch.
        device: Where the network and the batches are.

    Attributes:
        step: Optimiser steps taken.
        lr: Learning rate of the last one; 0 before the first.
        totals: Sums over the current epoch.
    """

    def __init__(
        self, model: nn.Module, recipe: Recipe, steps_per_epoch: int, device: torch.device
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch
        self.device = device
        self.optimizer = build_optimizer(model, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.average = copy.deepcopy(model) if recipe.ema_decay is not None else None
        self.regularisations = declared_regularisations(model)
        self.run = torch.compile(model) if recipe.compile else model
        self.step = 0
        self.lr = 0.0
        self.totals = self.empty_totals()

    @property
    def epoch(self) -> int:
        """Return the number of whole epochs that are done."""
        return self.step // self.steps_per_epoch

    @property
    def evaluated(self) -> nn.Module:
        """Return the network that evaluations see: the averaged one if there is one."""
        return self.model if self.average is None else self.average

    def empty_totals(self) -> EpochTotals:
        """Return the sums before the first step of an epoch."""
        return EpochTotals(
            torch.zeros((), dtype=torch.float64, device=self.device),
            torch.zeros((), dtype=torch.int64, device=self.device),
        )

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of the recipe's precision."""
        is_mixed = self.recipe.precision != "fp32"
        return torch.autocast(self.device.type, DTYPES[self.recipe.precision], enabled=is_mixed)

    def take_step(self, batch: Batch) -> None:
        """Take one optimiser step on a batch."""
        self.lr = learning_rate(self.recipe, self.step, self.steps_per_epoch)
        set_learning_rate(self.optimizer, self.lr)
        with self.autocast():
            logits = self.run(batch.inputs)
            loss = loss_of(logits, batch.targets, self.recipe.label_smoothing)
            objective = loss
            for regularisation in self.regularisations:
                objective = objective + regularisation()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(objective))
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average_weights()
        self.step += 1
        images = len(batch.targets)
        self.totals.loss += objective.detach().double() * images
        self.totals.correct += count_correct(logits.detach(), batch.targets)
        self.totals.images += images

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors and plain values."""
        return {
            "step": self.step,
            "lr": self.lr,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "totals": (self.totals.loss, self.totals.correct, self.totals.images),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` left off."""
        self.step, self.lr = state["step"], state["lr"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.totals = EpochTotals(*state["totals"])
        torch.set_rng_state(state["rng"].cpu())
        if state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"].cpu())

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
