"""What training and evaluation ask of a task.

Shapes: B batch; outputs and targets are the task's own.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from kbench.datasets.dataset import Dataset
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe


class Task(ABC):
    """Base of all tasks.

    Attributes:
        metric: The metric that decides which epoch is the best; larger is better.

    Args:
        dataset: What is learned from.
        recipe: How.
    """

    metric: ClassVar[str]

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        self.dataset, self.recipe = dataset, recipe

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean training loss of a batch, without regularisers."""

    @abstractmethod
    def count_correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return a scalar: the sum over the batch's samples of the share that is right, 0 to 1.

        Tasks without right and wrong return 0.
        """

    @abstractmethod
    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return the metrics of a network over the batches; `metric` is among them.

        The network is put into evaluation mode and left in it.
        """

    def random_targets(self, inputs: Tensor) -> Tensor:
        """Return targets of the right kind for a batch of inputs (B, C, *S), to time training."""
        return torch.randint(self.dataset.num_classes, (len(inputs),), device=inputs.device)
