"""Work of operators that run several layers as one convolution, done layer by layer."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from kbench.evaluations.layers import evaluating
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS
from kbench.work import count_macs_of


@EVALUATIONS.register("two_stage")
def two_stage(network: Evaluated) -> Iterator[tuple[str, float]]:
    """Multiply-accumulates of one image with both layers of LC (section 4), one after the other."""
    image = next(iter(network.loader.batches(0))).inputs[:1]
    with evaluating(network.model), _unfolded(network.model), torch.no_grad():
        yield "two_stage_macs", count_macs_of(lambda: network.model(image))


@contextlib.contextmanager
def _unfolded(model: nn.Module) -> Iterator[None]:
    """Let no operator run its layers as one convolution; afterwards as before."""
    folded: list[Any] = [m for m in model.modules() if getattr(m, "is_folded", False)]
    for module in folded:
        module.is_folded = False
    try:
        yield
    finally:
        for module in folded:
            module.is_folded = True
