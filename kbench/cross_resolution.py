"""Training at one size of the images and then at another (FlexConv, section 6)."""

from dataclasses import replace

from torch import nn

from kbench.architectures.resolution import transfer
from kbench.cell import Cell
from kbench.network import find_input_shape


def divide_phases(cell: Cell) -> tuple[Cell, ...]:
    """Return a cell for each phase of training, as if it were trained alone.

    The second phase keeps everything but the epochs, the size of the images and the crop.
    """
    finetune = cell.recipe.finetune
    if finetune is None:
        return (cell,)
    recipe = replace(cell.recipe, finetune=None)
    first, augmentation = replace(cell, recipe=recipe), recipe.augmentation
    if finetune.crop_padding is not None:
        augmentation = replace(augmentation, crop_padding=finetune.crop_padding)
    dataset = cell.dataset
    if augmentation.resize is None:
        dataset = replace(dataset, options={**dataset.options, "size": finetune.size})
    else:
        augmentation = replace(augmentation, resize=finetune.size, test_resize=None)
    second = replace(recipe, epochs=finetune.epochs, augmentation=augmentation)
    return first, replace(cell, recipe=second, dataset=dataset)


def deploy(model: nn.Module, before: Cell, after: Cell) -> nn.Module:
    """Return a network at the size of the images of the next phase."""
    return transfer(model, find_input_shape(before)[-1], find_input_shape(after)[-1])
