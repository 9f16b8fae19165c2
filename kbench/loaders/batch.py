"""What every loader is given, and what it gives.

Shapes: B samples of a batch, C channels, S spatial sides, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbench.datasets.dataset import Dataset, FileSplit, Split, check_count
from kbench.errors import DatasetError
from kbench.loaders.share import WHOLE, Share
from kbench.recipe import Augmentation


@dataclass(frozen=True)
class HeldOut:
    """A part of a split that is kept for validation, or the rest of it.

    Attributes:
        count: Samples that are held out.
        seed: Which ones: the first of numpy's `RandomState(seed).shuffle`.
        is_rest: Whether the others are meant.
    """

    count: int
    seed: int
    is_rest: bool

    def places(self, size: int) -> NDArray[np.int64]:
        """Return the places of the part in a split of `size` samples, rising.

        Raises:
            DatasetError: If nothing would be left for training.
        """
        if self.count >= size:
            message = f"held_out (={self.count}) must be less than {size}, the images of the split"
            raise DatasetError(message)
        order = np.arange(size)
        np.random.RandomState(self.seed).shuffle(order)
        return np.sort(order[self.count :] if self.is_rest else order[: self.count])


@dataclass(frozen=True)
class Source:
    """Where a loader's samples come from.

    Attributes:
        dataset: The dataset.
        split: Name of one of its splits.
        limit: How many samples are used, the first ones; None for all.
        held_out: Which part of these; None for all.
        share: The part of every batch that this process makes.
    """

    dataset: Dataset
    split: str
    limit: int | None = None
    held_out: HeldOut | None = None
    share: Share = WHOLE

    def load(self) -> Split | FileSplit:
        """Return the samples, verified.

        Raises:
            DatasetError: If a file is missing or damaged, or the limit exceeds the split.
        """
        samples = self.dataset.load(self.split, self.limit)
        if self.held_out is None:
            return samples
        return samples.take(self.held_out.places(len(samples)))

    def places(self, size: int) -> NDArray[np.int64] | None:
        """Return the places of the samples in a split of `size`; None if it is all of them.

        Raises:
            DatasetError: If the limit or the held-out part exceeds the split.
        """
        if self.held_out is not None:
            return self.held_out.places(check_count(self.limit, size))
        return None if self.limit is None else np.arange(check_count(self.limit, size))


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        inputs: (B, C, *S), float32, normalised.
        targets: (B,), int64 class numbers; (B, K), float32 shares of the classes, where samples
            are mixed; (B, H, W), int64, for segmentation; float32 values for fitting.
    """

    inputs: Tensor
    targets: Tensor


class Loader(Protocol):
    """Batches of a split, the same ones for the same seed and epoch."""

    def __len__(self) -> int:
        """Return the number of steps of an epoch."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from step `start` on."""


class LoaderFactory(Protocol):
    """What makes a loader."""

    def __call__(
        self,
        source: Source,
        *,
        batch_size: int,
        augmentation: Augmentation,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        seed: int,
        shuffle: bool,
        drop_last: bool = False,
        device: torch.device | str = "cpu",
        channels_last: bool = False,
    ) -> Loader:
        """Return a loader over the samples of a source."""
