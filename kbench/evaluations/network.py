"""What an evaluation is given."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from kbench.datasets.normalisation import Normalisation
from kbench.loaders.batch import Loader
from kbench.tasks.task import Task

EveryEpoch = TypeVar("EveryEpoch", bound=Callable[..., Iterator[tuple[str, float]]])


@dataclass(frozen=True)
class Evaluated:
    """A trained network and the images to evaluate it on.

    Attributes:
        model: The network, in evaluation mode.
        loader: The test split, in its order, without augmentation.
        statistics: What the images were normalised by.
        device: Where network and images are.
        directory: Folder for what is more than a number, such as maps.
        task: What is learned.
        dtype: Precision of the forward pass; float32, or what autocast is to use.
    """

    model: nn.Module
    loader: Loader
    statistics: Normalisation
    device: torch.device
    directory: Path
    task: Task
    dtype: torch.dtype = torch.float32

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of the forward pass."""
        is_mixed = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=is_mixed)


def every_epoch(evaluation: EveryEpoch) -> EveryEpoch:
    """Mark an evaluation that also runs after every evaluated epoch, not only after the last."""
    evaluation.__dict__["every_epoch"] = True
    return evaluation
