"""Parameter groups, optimisers and learning-rate schedules."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kbench.recipe import Recipe

IMPROVEMENT = 1e-4  # relative, torch's default


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the learnable parameters in groups of equal treatment.

    An operator's `parameter_groups()` says which of its parameters have their own learning rate and
    weight decay (None: as the recipe has it); all others follow the recipe. Frozen parameters are
    in no group.

    Returns:
        Dictionaries for a torch optimiser, each with `params`, `lr_scale` and `weight_decay`.
    """
    treatment: dict[int, tuple[float, float | None]] = {}
    for parameters, lr_scale, own_decay in _declared_groups(model):
        treatment |= {id(parameter): (lr_scale, own_decay) for parameter in parameters}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        is_exempt = _is_of_channels(parameter) and not recipe.norm_weight_decay
        lr_scale, decay = treatment.get(id(parameter), (1.0, None))
        if decay is None:
            decay = 0.0 if is_exempt else recipe.weight_decay
        groups.setdefault((lr_scale, decay), []).append(parameter)
    return [
        {"params": parameters, "lr_scale": lr_scale, "weight_decay": decay}
        for (lr_scale, decay), parameters in groups.items()
    ]


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over the learnable parameters of a network."""
    groups = parameter_groups(model, recipe)
    betas = (recipe.beta1, recipe.beta2)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov
        )
    if recipe.optimizer == "adadelta":
        return torch.optim.Adadelta(groups, lr=recipe.lr)
    if recipe.optimizer == "lamb":
        from timm.optim.lamb import Lamb  # importing timm takes seconds

        return Lamb(groups, lr=recipe.lr, betas=betas)
    adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return adam(groups, lr=recipe.lr, betas=betas)


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, scale: float = 1.0) -> float:
    r"""Return the learning rate of an optimiser step, counted from 0.

    With :math:`b` = `scale` * `lr`, linear warm-up is :math:`b (t + 1) / W` for the first W steps.
    Gradual warm-up is :math:`b t / W` up to step W + 1, where it is above :math:`b`; the schedule
    goes on from there (FlexConv, section 6). Cosine falls from :math:`b` to :math:`m` = `min_lr` as
    :math:`m + (b - m) (1 + \cos(\pi s)) / 2`, s being the share of the remaining steps.

    Args:
        recipe: Names schedule and warm-up.
        step: Optimiser steps taken before.
        steps_per_epoch: Optimiser steps of an epoch.
        scale: Factor of a parameter group; `min_lr` is the same for all.
    """
    base, warmup, first = recipe.lr * scale, recipe.warmup_epochs * steps_per_epoch, 0
    if warmup:
        is_gradual = recipe.warmup == "gradual"
        first = warmup + is_gradual
        if step < first:
            return base * (step if is_gradual else step + 1) / warmup
        base *= first / warmup
    total = recipe.epochs * steps_per_epoch - warmup
    return _scheduled(recipe, base, (step - first) / total, step // steps_per_epoch)


def _scheduled(recipe: Recipe, base: float, share: float, epoch: int) -> float:
    """Return the rate after `share` of the steps behind the warm-up, in an epoch from 0."""
    if recipe.schedule == "cosine":
        return recipe.min_lr + (base - recipe.min_lr) * (1 + math.cos(math.pi * share)) / 2
    if recipe.schedule == "linear":
        return recipe.min_lr + (base - recipe.min_lr) * (1 - share)
    if recipe.schedule == "exponential":
        return base * recipe.gamma**epoch
    return base * recipe.gamma ** sum(epoch >= milestone for milestone in recipe.milestones)


@dataclass
class Plateau:
    """What `plateau` remembers of the evaluations, as torch's `ReduceLROnPlateau` does.

    Attributes:
        best: Largest value that counted as an improvement.
        waited: Evaluations since then.
        factor: What the learning rate is multiplied by.
    """

    best: float = -math.inf
    waited: int = 0
    factor: float = 1.0

    def note(self, value: float, recipe: Recipe) -> None:
        """Take the latest evaluation into account; larger is better."""
        self.waited += 1
        if value > self.best + IMPROVEMENT * abs(self.best) or math.isinf(self.best):
            self.best, self.waited = value, 0
        if self.waited > recipe.plateau_epochs:
            self.factor, self.waited = self.factor * recipe.gamma, 0


def _is_of_channels(parameter: nn.Parameter) -> bool:
    """Return whether it holds a number a channel: (C,), or (C, 1, 1) to go with (B, C, H, W)."""
    return parameter.ndim <= 1 or (parameter.ndim == 3 and parameter.shape[1:].numel() == 1)


def _declared_groups(
    model: nn.Module,
) -> Iterator[tuple[list[nn.Parameter], float, float | None]]:
    for module in model.modules():
        declared = getattr(type(module), "parameter_groups", None)
        if declared is not None:
            yield from declared(module).values()
