"""Random erasing of normalised images, equal in distribution to timm's `RandomErasing`.

Zhong et al., arXiv 1708.04896: a rectangle of 2 % to 33 % of the area, sides in a ratio of 0.3 to
1 / 0.3, is filled with normal noise for every pixel, with one such colour, or with 0.

Shapes: B images of a batch, C channels, H and W height and width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbench.recipe import Augmentation

MIN_AREA, MAX_AREA, MIN_ASPECT, ATTEMPTS = 0.02, 1 / 3, 0.3, 10


@dataclass(frozen=True, eq=False)
class Patch:
    """What replaces a rectangle of one image.

    Attributes:
        index: The image's place in the batch.
        top: First row.
        left: First column.
        values: (C, h, w), float32.
    """

    index: int
    top: int
    left: int
    values: NDArray[np.float32]


def draw_patches(
    augmentation: Augmentation, shape: tuple[int, ...], generator: np.random.Generator
) -> list[Patch]:
    """Draw what is erased of a batch of the shape (B, C, H, W)."""
    chosen = np.flatnonzero(generator.random(shape[0]) < augmentation.random_erasing)
    patches = []
    for index in chosen.tolist():
        patch = _draw_patch(augmentation.random_erasing_mode, index, shape, generator)
        patches += [patch] if patch else []
    return patches


def erase(inputs: Tensor, patches: list[Patch]) -> Tensor:
    """Return the inputs (B, C, H, W) with the patches in their places."""
    erased = inputs.clone() if patches else inputs
    for patch in patches:
        height, width = patch.values.shape[1:]
        rows = slice(patch.top, patch.top + height)
        columns = slice(patch.left, patch.left + width)
        values = torch.from_numpy(patch.values).to(inputs.device, non_blocking=True)
        erased[patch.index, :, rows, columns] = values
    return erased


def _draw_patch(
    mode: str, index: int, shape: tuple[int, ...], generator: np.random.Generator
) -> Patch | None:
    """Return a patch; None if no rectangle was smaller than the image in ten attempts."""
    _, channels, height, width = shape
    for _ in range(ATTEMPTS):
        area = generator.uniform(MIN_AREA, MAX_AREA) * height * width
        aspect = np.exp(generator.uniform(np.log(MIN_ASPECT), -np.log(MIN_ASPECT)))
        rows, columns = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if rows >= height or columns >= width:
            continue
        top = int(generator.integers(height - rows, endpoint=True))
        left = int(generator.integers(width - columns, endpoint=True))
        drawn = {"pixel": (channels, rows, columns), "rand": (channels, 1, 1)}.get(mode)
        values = np.zeros((channels, rows, columns), np.float32)
        if drawn is not None:
            values += generator.standard_normal(drawn, np.float32)
        return Patch(index, top, left, values)
    return None
