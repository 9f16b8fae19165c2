"""Random numbers of the input pipeline, each a pure function of the seed and a position.

They are drawn on the CPU, so that every device and every kind of loader sees equal batches.
"""

import numpy as np
from numpy.typing import NDArray

ORDER, AUGMENTATION = 0, 1


def draw_order(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """Return a permutation of `size` images for an epoch."""
    return _generator(seed, ORDER, epoch).permutation(size)


def augmentation_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of one batch's augmentation."""
    return _generator(seed, AUGMENTATION, epoch, step)


def _generator(seed: int, *position: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=position))
