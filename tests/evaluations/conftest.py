"""Networks to evaluate, beside images that need no dataset."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kbench.datasets import build_dataset
from kbench.datasets.normalisation import Normalisation
from kbench.evaluations.network import Evaluated
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks.classification import Classification


class Batches:
    """Loader of given images."""

    def __init__(self, images: Tensor, batch_size: int) -> None:
        self.images, self.batch_size = images, batch_size

    def __len__(self) -> int:
        return len(range(0, len(self.images), self.batch_size))

    def batches(self, _epoch: int, _start: int = 0) -> Iterator[Batch]:
        targets = torch.arange(len(self.images)) % 3
        parts = (value.split(self.batch_size) for value in (self.images, targets))
        yield from map(Batch, *parts)


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., Evaluated]:
    """Return a function that puts a network beside normalised images, of classes 0, 1, 2, 0, ..."""

    def make(
        model: nn.Module,
        images: Tensor,
        batch_size: int = 4,
        statistics: Normalisation | None = None,
    ) -> Evaluated:
        channels = images.shape[1]
        return Evaluated(
            model.eval(),
            Batches(images, batch_size),
            statistics or Normalisation((0.0,) * channels, (1.0,) * channels),
            torch.device("cpu"),
            tmp_path,
            Classification(build_dataset("digits", None), Recipe(epochs=1, batch_size=8, lr=0.1)),
        )

    return make
