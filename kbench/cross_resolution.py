"""Training at one size of the images and then at another (FlexConv, section 6)."""

from dataclasses import replace

from torch import nn

from kbench.architectures.resolution import transfer
from kbench.cell import Cell
from kbench.datasets import build_dataset


def divide_phases(cell: Cell) -> tuple[Cell, ...]:
    """Return a cell for each phase of training, as if it were trained alone.

    The second phase keeps everything but the epochs and the size of the images.
    """
    finetune = cell.recipe.finetune
    if finetune is None:
        return (cell,)
    recipe = replace(cell.recipe, finetune=None)
    first, second = replace(cell, recipe=recipe), replace(recipe, epochs=finetune.epochs)
    if recipe.augmentation.resize is None:
        options = {**cell.dataset.options, "size": finetune.size}
        dataset = replace(cell.dataset, options=options)
        return first, replace(cell, recipe=second, dataset=dataset)
    augmentation = replace(recipe.augmentation, resize=finetune.size, test_resize=None)
    return first, replace(cell, recipe=replace(second, augmentation=augmentation))


def deploy(model: nn.Module, before: Cell, after: Cell) -> nn.Module:
    """Return a network at the size of the images of the next phase."""
    return transfer(model, image_size(before), image_size(after))


def image_size(cell: Cell) -> int:
    """Return the side of the images that the network of a phase is given, in pixels."""
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    return cell.recipe.augmentation.resize or dataset.input_shape[-1]
