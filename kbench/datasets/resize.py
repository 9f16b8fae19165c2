"""Change of image size, once when a split is loaded."""

import torch
import torch.nn.functional as F
from torch import Tensor

# A chunk and its result stay in the processor's cache.
CHUNK = 1024


def check_size(size: int) -> None:
    """Refuse an image side that is not positive.

    Raises:
        ValueError: If `size` is less than 1.
    """
    if size < 1:
        message = f"size (={size!r}) must be >= 1"
        raise ValueError(message)


def resize_images(images: Tensor, size: int) -> Tensor:
    """Resize square images by bilinear interpolation, with a wider filter when shrinking.

    The same as torchvision's `Resize` on tensors. On PIL images that rounds to 8 bits; here the
    result stays exact.

    Shape:
        - images: (N, C, H, W), uint8 in 0 to 255 or float32 in 0 to 1
        - output: (N, C, size, size), float32 in 0 to 1; `images` itself if it has this size
    """
    if images.shape[-2:] == (size, size):
        return images
    result = torch.empty(*images.shape[:2], size, size)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        values = chunk if chunk.is_floating_point() else chunk.to(torch.float32).div_(255)
        resized = F.interpolate(values, size=(size, size), mode="bilinear", antialias=True)
        result[start : start + CHUNK] = resized
    return result
