"""Sources of samples that a test makes itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kbench.datasets.dataset import Dataset, FileSplit, Split
from kbench.loaders.batch import Source


class Held(Dataset):
    """A dataset that a test holds."""

    name = "held"
    class_names = ()
    files = ()
    mean = std = (0.5,)

    def __init__(self, samples: Split | FileSplit, input_shape: tuple[int, ...], num_classes: int):
        super().__init__(Path("nowhere"))
        self.samples = samples
        self.input_shape, self.num_classes = input_shape, num_classes
        self.split_sizes = {"train": len(samples)}

    def load(self, _: str, limit: int | None = None) -> Split | FileSplit:
        return self.samples.first(limit)

    _read = load


@pytest.fixture(scope="session")
def source_of() -> Callable[..., Source]:
    """Return a function that makes a source of a split, or of images and targets."""

    def make(
        samples: Split | FileSplit, input_shape: tuple[int, ...] = (), num_classes: int = 10
    ) -> Source:
        if isinstance(samples, Split):
            input_shape = tuple(samples.images.shape[1:])
        return Source(Held(samples, input_shape, num_classes), "train")

    return make


@pytest.fixture(scope="session")
def pictures() -> Split:
    """Return 40 random colour images of 16 pixels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(40) % 10)
