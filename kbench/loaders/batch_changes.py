"""Changes of whole batches: parts of normalised images are erased, then images are mixed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kbench.loaders import randomness
from kbench.loaders.batch import Batch
from kbench.loaders.erasing import draw_patches, erase
from kbench.loaders.mixing import mix_batch
from kbench.recipe import Augmentation


def change_batch(
    batch: Batch,
    augmentation: Augmentation,
    num_classes: int,
    position: tuple[int, int, int],
    own: NDArray[np.int64],
) -> Batch:
    """Erase parts of normalised images, then mix them.

    Args:
        batch: A process's share of a batch.
        augmentation: What happens to it.
        num_classes: K.
        position: Seed, epoch and step.
        own: Places of the share in the whole batch, as far from its start as from its end
            (`Share`): the first and the last of them add up to the last place of the batch.
    """
    if augmentation.random_erasing:
        generator = randomness.erasing_generator(*position)
        whole = int(own[0] + own[-1]) + 1, *batch.inputs.shape[1:]
        patches = draw_patches(augmentation, whole, generator)
        rows = {place: row for row, place in enumerate(own.tolist())}
        kept = [replace(patch, index=rows[patch.index]) for patch in patches if patch.index in rows]
        batch = Batch(erase(batch.inputs, kept), batch.targets)
    if not augmentation.is_mixing:
        return batch
    generator = randomness.mixing_generator(*position)
    return mix_batch(batch, augmentation, num_classes, generator)
