"""Rotation and resize of a batch.

Shapes: B images of a batch, C channels, H and W height and width, H' and W' after resizing.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def rotate(images: Tensor, angles: NDArray[np.float64]) -> Tensor:
    """Rotate (B, C, H, W) about their centres; shape, type and device stay as they are.

    Angles are in degrees, counter-clockwise.

    Each pixel is that of its nearest source, or 0 where that is outside. The places are computed
    in float64 on the CPU, so every device gives the same pixels. torchvision computes them in
    float32, which makes a difference where a source lies halfway between two pixels.
    """
    batch_size, channels, height, width = images.shape
    rows, columns = _source_places(angles, height, width)  # (B, H, W)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = np.where(inside, rows * width + columns, height * width).reshape(batch_size, 1, -1)
    flat = F.pad(images.reshape(batch_size, channels, -1), (0, 1))  # (B, C, HW + 1)
    index = torch.from_numpy(places).to(images.device, non_blocking=True)
    return flat.gather(2, index.expand(-1, channels, -1)).view(images.shape)


def resize(images: Tensor, side: int) -> Tensor:
    """Resize (B, C, H, W) to (B, C, side, side), bilinear and antialiased.

    Bytes are rounded once, after both axes; PIL rounds after each, so they differ by 1 at most.
    """
    if images.shape[2:] == (side, side):
        return images
    values = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
    if images.is_floating_point():
        return values
    return values.round_().clamp_(0, 255).to(images.dtype)  # (B, C, H', W')


def _source_places(
    angles: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column, (B, H, W) each, of the pixel that each pixel comes from."""
    radians = np.deg2rad(angles)[:, None, None]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y = np.arange(height)[None, :, None] - middle_y
    x = np.arange(width)[None, None, :] - middle_x
    columns = np.cos(radians) * x - np.sin(radians) * y + middle_x
    rows = np.sin(radians) * x + np.cos(radians) * y + middle_y
    return np.rint(rows).astype(np.int64), np.rint(columns).astype(np.int64)
