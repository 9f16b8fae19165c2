"""Random crop, flip and rotation of a batch: drawn first, then applied to all images at once.

Equal in distribution to torchvision's `RandomCrop(side, padding)`, `RandomHorizontalFlip()` and
`RandomRotation(degrees)`, one after the other. Pixels are the same on every device. On the CPU
numpy makes them: its single thread does not wait for others where several jobs share the cores.

Shapes: N images of a split, B images of a batch, C channels, H and W height and width, P padding,
in pixels.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from kbench.loaders.geometry import rotate
from kbench.recipe import Augmentation

# What a crop shows of a mask where there is no image; losses and metrics leave it out.
MASK_MARGIN = 255


@dataclass(frozen=True, eq=False)
class Changes:
    """What happens to each image of a batch.

    Attributes:
        padding: P, zeros added at each side before the crop.
        corners: (2, B), int64 in 0 to 2P: top and left of the crop in the padded image.
        mirrored: (B,), bool: whether the crop is mirrored left to right.
        angles: (B,), float64: rotation in degrees, counter-clockwise; None for none.
    """

    padding: int
    corners: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    angles: NDArray[np.float64] | None = None

    def of(self, rows: slice | NDArray[np.int64]) -> "Changes":
        """Return what happens to some images of the batch."""
        angles = None if self.angles is None else self.angles[rows]
        return Changes(self.padding, self.corners[:, rows], self.mirrored[rows], angles)


UNCHANGED = Changes(0, np.zeros((2, 0), np.int64), np.zeros(0, np.bool_))


def draw_changes(
    augmentation: Augmentation, batch_size: int, generator: np.random.Generator
) -> Changes:
    """Draw what happens to `batch_size` images; what is switched off changes nothing."""
    padding = augmentation.crop_padding
    corners = np.zeros((2, batch_size), np.int64)
    if padding:
        corners = generator.integers(0, 2 * padding, (2, batch_size), endpoint=True)
    mirrored = np.zeros(batch_size, np.bool_)
    if augmentation.flip:
        mirrored = generator.random(batch_size) < 0.5
    angles = None
    if augmentation.rotation:
        angles = generator.uniform(-augmentation.rotation, augmentation.rotation, batch_size)
    return Changes(padding, corners, mirrored, angles)


def take_images(images: Tensor, order: Tensor, changes: Changes, margin: int = 0) -> Tensor:
    """Return images (N, C, H, W) at the places `order` (B,), cropped, mirrored and rotated.

    Shape, type and device of an image stay as they are, and the result has memory of its own.
    Samples (N, C, *S) of other shapes are taken as they are where `changes` is `UNCHANGED`.

    Args:
        images: Images, or masks with C = 1; contiguous.
        order: Places in them, int64.
        changes: What happens to each that is taken.
        margin: Value around the images of a crop.
    """
    taken = (_take if images.is_cuda else _take_on_cpu)(images, order, changes, margin)
    return taken if changes.angles is None else rotate(taken, changes.angles)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Map pixels to float32 (value - mean) / std, as torchvision's `ToTensor` and `Normalize`.

    Args:
        images: (B, C, *S), uint8 in 0 to 255 or float32 in 0 to 1.
        mean: (C, ...), with a side of 1 for each of S.
        std: Likewise.
    """
    return (_normalise if images.is_cuda else _normalise_on_cpu)(images, mean, std)


def channel_values(name: str, values: tuple[float, ...], shape: tuple[int, ...]) -> Tensor:
    """Return one value per channel of samples of a shape (C, *S), as (C, ...) for `normalise`.

    Raises:
        ValueError: If there are more or fewer values than channels.
    """
    if len(values) != shape[0]:
        message = f"{name} (={values!r}) must have {shape[0]} values, one per channel"
        raise ValueError(message)
    return torch.tensor(values, dtype=torch.float32).view(-1, *(1,) * (len(shape) - 1))


def to_channels_last(inputs: Tensor) -> Tensor:
    """Return the inputs (B, C, H, W) with the memory format `torch.channels_last`."""
    if inputs.is_cuda:
        return inputs.contiguous(memory_format=torch.channels_last)
    result = torch.empty_like(inputs, memory_format=torch.channels_last)
    for channel in range(inputs.shape[1]):
        result.numpy()[:, channel] = inputs.numpy()[:, channel]
    return result


def _take(images: Tensor, order: Tensor, changes: Changes, margin: int) -> Tensor:
    taken = images.index_select(0, order)
    if changes.padding:
        taken = _crop(taken, changes, margin)
    return _flip(taken, changes) if changes.mirrored.any() else taken


def _crop(images: Tensor, changes: Changes, margin: int) -> Tensor:
    height, width = images.shape[2:]
    padded = F.pad(images, (changes.padding,) * 4, value=margin)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (B, C, 2P+1, 2P+1, H, W)
    top, left = torch.from_numpy(changes.corners).to(images.device, non_blocking=True)
    rows = torch.arange(len(images), device=images.device)
    return windows[rows, :, top, left]  # (B, C, H, W)


def _flip(images: Tensor, changes: Changes) -> Tensor:
    mirrored = torch.from_numpy(changes.mirrored).to(images.device, non_blocking=True)
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)


def _normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    values = images.to(torch.float32, copy=True)
    if not images.is_floating_point():
        values.div_(255)
    return values.sub_(mean).div_(std)


def _take_on_cpu(images: Tensor, order: Tensor, changes: Changes, margin: int) -> Tensor:
    pixels, places = images.numpy(), order.numpy()
    taken = _crop_on_cpu(pixels, places, changes, margin) if changes.padding else pixels[places]
    mirrored = np.flatnonzero(changes.mirrored)
    if len(mirrored):
        taken[mirrored] = _flip_on_cpu(taken[mirrored])
    return torch.from_numpy(taken)


def _crop_on_cpu(
    pixels: NDArray[np.generic], places: NDArray[np.int64], changes: Changes, margin: int
) -> NDArray[np.generic]:
    """Return (B, C, H, W): to move a crop is to move all pixels of its image along the memory.

    What then comes from another row or image lies outside and becomes the margin.
    """
    channels, height, width = pixels.shape[1:]
    flat, size = pixels.reshape(-1), channels * height * width
    top, left = changes.corners
    starts = places * size + (top - changes.padding) * width + left - changes.padding
    # Before the first and behind the last image there is nothing to read.
    held = starts.clip(0, len(flat) - size)
    taken = sliding_window_view(flat, size)[held]  # (B, CHW)
    for row in np.flatnonzero(held != starts):
        taken[row] = np.roll(taken[row], held[row] - starts[row])
    bits = np.dtype(f"u{pixels.itemsize}")
    inside_y, inside_x = _find_inside(changes.padding, height, width, bits)
    inside = inside_y[top] & inside_x[left]  # (B, 1, HW)
    values = taken.view(bits).reshape(-1, channels, height * width)
    values &= inside
    if margin:
        values |= ~inside & bits.type(margin)
    return taken.reshape(-1, channels, height, width)


@lru_cache(maxsize=8)
def _find_inside(
    padding: int, height: int, width: int, bits: np.dtype[np.unsignedinteger[Any]]
) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.unsignedinteger[Any]]]:
    """Return what a crop's pixels keep, all bits inside the image and none outside.

    By its top and by its left side, (2P + 1, 1, HW) each.
    """
    tables = []
    for axis, side in enumerate((height, width)):
        places = np.arange(2 * padding + 1)[:, None] + np.arange(side) - padding
        inside = np.expand_dims((places >= 0) & (places < side), 2 - axis)
        whole = np.broadcast_to(inside, (2 * padding + 1, height, width))
        tables.append(-whole.astype(bits).reshape(-1, 1, height * width))
    return tables[0], tables[1]


def _flip_on_cpu(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return (B, C, H, W) mirrored left to right; bytes move four at a time where that is even."""
    if pixels.itemsize == 1 and pixels.shape[-1] % 4 == 0:
        return pixels.view(np.uint32)[..., ::-1].byteswap().view(pixels.dtype)
    return pixels[..., ::-1]


def _normalise_on_cpu(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    values = images.numpy().astype(np.float32)
    if not images.is_floating_point():
        values /= np.float32(255)
    values -= mean.numpy()
    values /= std.numpy()
    return torch.from_numpy(values)
