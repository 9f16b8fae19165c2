"""Random crop, flip and rotation of a batch: drawn first, then applied to all images at once.

Equal in distribution to torchvision's `RandomCrop(side, padding)`, `RandomHorizontalFlip()` and
`RandomRotation(degrees)`, one after the other. Pixels are the same on every device. On the CPU
numpy makes them: its copies of whole windows are four times faster than torch's, and its single
thread does not wait for others where several jobs share the cores.

Shapes: N images of a split, B images of a batch, C channels, H and W height and width, P padding,
in pixels.
"""

from dataclasses import dataclass

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


def take_images(images: Tensor, order: Tensor) -> Tensor:
    """Return the images (N, C, *S) at the places `order` (B,), as (B, C, *S)."""
    if images.is_cuda:
        return images.index_select(0, order)
    return torch.from_numpy(images.numpy()[order.numpy()])


def apply_changes(images: Tensor, changes: Changes, margin: int = 0) -> Tensor:
    """Crop, mirror, rotate; (B, C, H, W) stays as it is in shape, type and device.

    Args:
        images: Images, or masks with C = 1.
        changes: What happens to each.
        margin: Value around the images of a crop.
    """
    crop, flip = (_crop, _flip) if images.is_cuda else (_crop_on_cpu, _flip_on_cpu)
    if changes.padding:
        images = crop(images, changes, margin)
    if changes.mirrored.any():
        images = flip(images, changes)
    return images if changes.angles is None else rotate(images, changes.angles)


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


def _crop(images: Tensor, changes: Changes, margin: int = 0) -> Tensor:
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


def _crop_on_cpu(images: Tensor, changes: Changes, margin: int = 0) -> Tensor:
    batch_size, channels, height, width = images.shape
    side = 2 * changes.padding
    inner = slice(changes.padding, -changes.padding)
    pixels = images.numpy()
    padded = np.full((batch_size, channels, height + side, width + side), margin, pixels.dtype)
    padded[:, :, inner, inner] = pixels
    windows = sliding_window_view(padded, (height, width), axis=(2, 3))
    top, left = changes.corners
    return torch.from_numpy(windows[np.arange(batch_size), :, top, left])  # (B, C, H, W)


def _flip_on_cpu(images: Tensor, changes: Changes) -> Tensor:
    flipped = images.numpy().copy()
    flipped[changes.mirrored] = flipped[changes.mirrored][..., ::-1]
    return torch.from_numpy(flipped)


def _normalise_on_cpu(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    values = images.numpy().astype(np.float32)
    if not images.is_floating_point():
        values /= np.float32(255)
    values -= mean.numpy()
    values /= std.numpy()
    return torch.from_numpy(values)
