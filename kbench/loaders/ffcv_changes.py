"""Changes of whole batches behind the FFCV loader: those of the loader in memory."""

from kbench.loaders import randomness
from kbench.loaders.batch import Batch
from kbench.loaders.erasing import draw_patches, erase
from kbench.loaders.mixing import mix_batch
from kbench.recipe import Augmentation


def change_batch(
    batch: Batch, augmentation: Augmentation, num_classes: int, position: tuple[int, int, int]
) -> Batch:
    """Erase parts of normalised images, then mix them; the position is seed, epoch and step."""
    if augmentation.random_erasing:
        generator = randomness.erasing_generator(*position)
        patches = draw_patches(augmentation, tuple(batch.inputs.shape), generator)
        batch = Batch(erase(batch.inputs, patches), batch.targets)
    if not augmentation.is_mixing:
        return batch
    generator = randomness.mixing_generator(*position)
    return mix_batch(batch, augmentation, num_classes, generator)
