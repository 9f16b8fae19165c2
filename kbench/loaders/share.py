"""The part of every batch that one of several processes trains on."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbench.errors import UnsupportedError


@dataclass(frozen=True)
class Share:
    """One process's part of every batch; together the parts are the batch.

    A part holds equally many samples from both ends of the batch, in their order, so that mixing
    an image with the one that stands as far from the other end can be done within the part.

    Attributes:
        number: The process, from 0.
        size: How many processes there are.
    """

    number: int = 0
    size: int = 1

    def places(self, count: int) -> NDArray[np.int64]:
        """Return the places of this part in a batch of `count` samples, rising.

        Raises:
            UnsupportedError: If a process would have less than two samples.
        """
        half = count // 2
        if self.size > 1 and half < self.size:
            message = (
                f"a batch of {count} cannot be divided among {self.size} devices, at least two "
                "samples each; set drop_last: true, or another batch_size"
            )
            raise UnsupportedError(message)
        front = np.arange(self.number * half // self.size, (self.number + 1) * half // self.size)
        is_last = self.number + 1 == self.size
        middle = np.arange(half, half + count % 2) if is_last else front[:0]
        return np.concatenate([front, middle, count - 1 - front[::-1]])

    def take(self, values: Tensor) -> Tensor:
        """Return this part of the inputs or targets of a batch, (B, ...)."""
        if self.size == 1:
            return values
        return values[torch.from_numpy(self.places(len(values))).to(values.device)]


WHOLE = Share()
