"""What every loader gives.

Shapes: B images of a batch, C channels, H and W height and width in pixels.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from kbench.datasets.dataset import Split
from kbench.recipe import Augmentation


class Batch(NamedTuple):
    """Images of one step.

    Attributes:
        inputs: (B, C, H, W), float32, normalised.
        targets: (B,), int64 class numbers.
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
        split: Split,
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
        """Return a loader over a split."""
