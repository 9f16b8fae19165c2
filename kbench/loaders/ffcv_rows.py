"""What the FFCV loader does with each image of an epoch, drawn before any of them is read.

FFCV draws inside its compiled threads, whose seeds nobody sets. Here a row says everything: which
sample, which part of it, whether it is mirrored. So the batches are a pure function of the seed.

Shapes: N images of an epoch, B images of a batch.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kbench.errors import UnsupportedError
from kbench.loaders.augmentation import draw_changes
from kbench.loaders.randomness import augmentation_generator
from kbench.recipe import Augmentation

TOP, LEFT, HEIGHT, WIDTH, MIRRORED = range(1, 6)
TRIALS = 10
RATIOS = (3 / 4, 4 / 3)
LOG_RATIOS = (math.log(RATIOS[0]), math.log(RATIOS[1]))
ANYWHERE = (
    "flip",
    "random_erasing",
    "random_erasing_mode",
    "mixup",
    "cutmix",
    "mixup_prob",
    "mixup_switch_prob",
    "repeats",
    # Those of the evaluation are in an augmentation of its own.
    "test_size",
    "test_resize",
    "crop_ratio",
)
FOR_IMAGES = ("crop_padding", *ANYWHERE, "interpolation")
FOR_PICTURES = (
    "size",
    "random_resized_crop",
    "min_crop_area",
    "progressive_from",
    "progressive_start",
    "progressive_end",
    *ANYWHERE,
)


def check_augmentation(augmentation: Augmentation, *, is_file_backed: bool) -> None:
    """Refuse what the FFCV loader cannot do.

    Raises:
        UnsupportedError: Names the first such field.
    """
    supported = FOR_PICTURES if is_file_backed else FOR_IMAGES
    kind = "picture files" if is_file_backed else "images of one size"
    for field in fields(augmentation):
        if augmentation.is_on(field.name) and field.name not in supported:
            value = getattr(augmentation, field.name)
            message = (
                f"loader 'ffcv' cannot do augmentation.{field.name} (={value!r}) with {kind}; "
                "loader 'torch' can"
            )
            raise UnsupportedError(message)


@dataclass(frozen=True, eq=False)
class Sizes:
    """Stored sizes of the samples of a beton.

    Attributes:
        height: (samples,), in pixels.
        width: (samples,), in pixels.
    """

    height: NDArray[np.int64]
    width: NDArray[np.int64]


def draw_rows(
    augmentation: Augmentation,
    chosen: NDArray[np.int64],
    sizes: Sizes,
    side: int | None,
    position: tuple[int, int, int],
) -> NDArray[np.int64]:
    """Return a row for each image of a batch.

    Crops with padding and flips are those that the other loaders draw.

    Args:
        augmentation: Random changes of the images.
        chosen: (B,), places in the beton.
        sizes: Of all samples of the beton.
        side: Side of the result in pixels; None if the images keep their size.
        position: Seed, epoch and step.

    Returns:
        (B, 6): sample, then top, left, height and width of the part that is cut out, in stored
        pixels, where what lies outside is black; then whether it is mirrored.
    """
    generator = augmentation_generator(*position)
    changes = draw_changes(augmentation, len(chosen), generator)
    height, width = sizes.height[chosen], sizes.width[chosen]
    rows = np.zeros((len(chosen), 6), np.int64)
    rows[:, 0], rows[:, MIRRORED] = chosen, changes.mirrored
    if side is None:
        rows[:, TOP : LEFT + 1] = changes.corners.T - changes.padding
        rows[:, HEIGHT], rows[:, WIDTH] = height, width
    elif augmentation.random_resized_crop:
        area = (augmentation.min_crop_area, 1.0)
        rows[:, TOP : WIDTH + 1] = draw_boxes(height, width, area, generator)
    else:
        rows[:, TOP : WIDTH + 1] = centre_boxes(height, width, side, augmentation.crop_ratio)
    return rows


def draw_boxes(
    height: NDArray[np.int64],
    width: NDArray[np.int64],
    area: tuple[float, float],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the parts of a random resized crop, in distribution as torchvision's.

    Ten trials of a share of the area and a ratio of the sides, uniform and log-uniform; the first
    that fits is taken, else the centre with the nearest ratio.

    Args:
        height: (B,), in pixels.
        width: (B,), in pixels.
        area: Smallest and largest share of the area.
        generator: Where the numbers come from; their count does not depend on them.

    Returns:
        (B, 4): top, left, height and width.
    """
    count = len(height)
    shares = generator.uniform(*area, (TRIALS, count)) * (height * width)
    ratios = np.exp(generator.uniform(*LOG_RATIOS, (TRIALS, count)))
    corners = generator.random((2, count))
    widths = np.rint(np.sqrt(shares * ratios)).astype(np.int64)
    heights = np.rint(np.sqrt(shares / ratios)).astype(np.int64)
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    first = fits.argmax(0), np.arange(count)
    boxes = _central(height, width)
    found = fits.any(0)
    boxes[found, 2], boxes[found, 3] = heights[first][found], widths[first][found]
    room = np.stack([height, width]) - boxes[:, 2:].T
    boxes[:, :2] = np.where(found, np.floor(corners * (room + 1)), room // 2).T
    return boxes


def centre_boxes(
    height: NDArray[np.int64], width: NDArray[np.int64], side: int, crop_ratio: float
) -> NDArray[np.int64]:
    """Return what is seen after the shorter side is resized and the centre cut out.

    The shorter side becomes `side` / `crop_ratio`, rounded down; `side` of it remains. Here the
    part is cut out first, rounded to whole pixels of the picture.

    Returns:
        (B, 4): top, left, height and width.
    """
    share = side / int(side / crop_ratio)
    length = np.maximum(np.rint(np.minimum(height, width) * share), 1)
    top, left = np.rint((height - length) / 2), np.rint((width - length) / 2)
    return np.stack([top, left, length, length], 1).astype(np.int64)


def _central(height: NDArray[np.int64], width: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the largest sides of an allowed ratio, (B, 4), the corners at 0."""
    ratio = width / height
    low, high = RATIOS
    narrow = np.where(ratio > high, np.rint(height * high), width)
    flat = np.where(ratio < low, np.rint(width / low), height)
    zeros = np.zeros_like(height)
    return np.stack([zeros, zeros, flat.astype(np.int64), narrow.astype(np.int64)], 1)
