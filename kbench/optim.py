"""Parameter groups, optimisers and learning-rate schedules."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from kbench.recipe import Recipe


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
        is_exempt = parameter.ndim <= 1 and not recipe.norm_weight_decay
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
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr, betas=betas)
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=betas)


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    r"""Return the learning rate of an optimiser step, counted from 0.

    Warm-up is :math:`lr (t + 1) / W` for the first W steps; cosine is
    :math:`m + (lr - m) (1 + \cos(\pi (t - W) / (T - W))) / 2` with :math:`m` = `min_lr`.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    if recipe.schedule == "cosine":
        total = recipe.epochs * steps_per_epoch
        share = (step - warmup) / (total - warmup)
        return recipe.min_lr + (recipe.lr - recipe.min_lr) * (1 + math.cos(math.pi * share)) / 2
    passed = sum(step >= milestone * steps_per_epoch for milestone in recipe.milestones)
    return recipe.lr * recipe.gamma**passed


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its share of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def _declared_groups(
    model: nn.Module,
) -> Iterator[tuple[list[nn.Parameter], float, float | None]]:
    for module in model.modules():
        declared = getattr(type(module), "parameter_groups", None)
        if declared is not None:
            yield from declared(module).values()
