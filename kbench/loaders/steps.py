"""Which samples the steps of an epoch take: one arithmetic for every kind of loader."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbench.loaders.randomness import draw_order


@dataclass(frozen=True)
class Steps:
    """Division of an epoch into steps; the order is a pure function of (seed, epoch).

    Attributes:
        num_samples: N, the samples of the split.
        batch_size: B; the last batch of an epoch may be smaller.
        seed: Seed of the order, not negative.
        shuffle: Whether an epoch has an order of its own; otherwise it has the split's.
        drop_last: Leave out the last batch if it is smaller.
        repeats: Copies of a sample in a row. An epoch still has N samples, the copies of the first
            N / `repeats` of its order; timm's `RepeatAugSampler` rounds N down to a multiple of
            256 as well.

    Raises:
        ValueError: If a number is out of range or an epoch has no step.
    """

    num_samples: int
    batch_size: int
    seed: int
    shuffle: bool
    drop_last: bool = False
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.seed < 0:
            message = f"seed (={self.seed}) must be >= 0"
            raise ValueError(message)
        if self.batch_size < 1:
            message = f"batch_size (={self.batch_size}) must be >= 1"
            raise ValueError(message)
        if len(self) < 1:
            message = (
                f"an epoch has no step: {self.num_samples} images, batch_size (={self.batch_size})"
            )
            raise ValueError(message)

    def __len__(self) -> int:
        whole, rest = divmod(self.num_samples, self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def check(self, epoch: int, start: int) -> None:
        """Refuse a position that no epoch has.

        Raises:
            ValueError: If `epoch` is negative or `start` is not 0 to the number of steps.
        """
        if epoch < 0:
            message = f"epoch (={epoch}) must be >= 0"
            raise ValueError(message)
        if not 0 <= start <= len(self):
            message = f"start (={start}) must be 0 to {len(self)}, the steps of an epoch"
            raise ValueError(message)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the places of an epoch's samples in the split, (N,)."""
        size = self.num_samples
        order = draw_order(self.seed, epoch, size) if self.shuffle else np.arange(size)
        return order if self.repeats == 1 else np.repeat(order, self.repeats)[:size]

    def span(self, step: int) -> slice:
        """Return which part of the order a step takes."""
        return slice(step * self.batch_size, (step + 1) * self.batch_size)
