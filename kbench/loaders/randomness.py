"""Random numbers of the input pipeline, each a pure function of the seed and a position.

They are drawn on the CPU, so that every device and every kind of loader sees equal batches. What
can be switched on apart has numbers of its own: switching it on leaves the others as they are.
"""

import numpy as np
from numpy.typing import NDArray

ORDER, AUGMENTATION, ERASING, MIXING, SAMPLE = range(5)


def draw_order(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """Return a permutation of `size` images for an epoch."""
    return _generator(seed, ORDER, epoch).permutation(size)


def augmentation_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of one batch's crops, flips and rotations."""
    return _generator(seed, AUGMENTATION, epoch, step)


def erasing_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of one batch's erased rectangles."""
    return _generator(seed, ERASING, epoch, step)


def mixing_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of how one batch is mixed."""
    return _generator(seed, MIXING, epoch, step)


def sample_generator(seed: int, epoch: int, position: int) -> np.random.Generator:
    """Return the generator of what is drawn for one image, by its position in the epoch."""
    return _generator(seed, SAMPLE, epoch, position)


def _generator(seed: int, *position: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=position))
