"""Changes of one image by torchvision and timm, as the papers' own recipes compose them.

Shapes: C channels, H and W height and width in pixels.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from kbench.datasets.dataset import FileSplit, Split
from kbench.datasets.picture import read_picture
from kbench.loaders.augmentation import Changes
from kbench.recipe import Augmentation

Picture = Image.Image | Tensor
Recolour = Callable[[Picture], Picture]
INTERPOLATIONS = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
PIL_INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
MAX_ASPECT = 4 / 3


def open_sample(samples: Split | FileSplit, place: int, *, as_pil: bool) -> Picture:
    """Return the image at a place of a split; files are RGB, whatever their metadata says.

    Raises:
        DatasetError: If a file is missing, truncated or no picture.
    """
    if isinstance(samples, FileSplit):
        return read_picture(samples.paths[place])
    image = samples.images[place]
    return F.to_pil_image(image) if as_pil else image


@contextmanager
def seeded(generator: np.random.Generator) -> Iterator[None]:
    """Seed what torchvision and timm draw from, torch on the CPU and `random`, for a while."""
    states = random.getstate(), torch.get_rng_state()
    first, second = generator.integers(2**63, size=2).tolist()
    random.seed(first)
    torch.default_generator.manual_seed(second)
    try:
        yield
    finally:
        random.setstate(states[0])
        torch.set_rng_state(states[1])


def move(picture: Picture, changes: Changes, index: int, margin: int = 0) -> Picture:
    """Crop, then mirror an image as the changes at its place in the batch say."""
    if changes.padding:
        height, width = F.get_size(picture)
        top, left = changes.corners[:, index].tolist()
        padded = F.pad(picture, [changes.padding], fill=margin)
        picture = F.crop(padded, top, left, height, width)
    return F.horizontal_flip(picture) if changes.mirrored[index] else picture


class PictureChanges:
    """What happens to one image before the normalisation, but for the crop with padding and flip.

    Args:
        augmentation: What happens.
        sides: (H, W) of images without an augmentation; of pictures of any size, what is cut out
            of them where the augmentation has no `size`.
        is_cut: Whether something is cut out of every image.
        mean: Colour that RandAugment fills margins with, in 0 to 1.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        sides: tuple[int, ...],
        mean: tuple[float, ...],
        *,
        is_cut: bool,
    ) -> None:
        if augmentation.size is not None:
            sides = (augmentation.size,) * 2
        self._augmentation = augmentation
        self._sides = sides
        self._is_cut = is_cut
        self._interpolation = INTERPOLATIONS[augmentation.interpolation]
        self._recolour = _build_recolour(augmentation, sides, mean)

    @property
    def needs_pil(self) -> bool:
        """Return whether images in memory have to be PIL's."""
        return self._is_cut or self._recolour is not None or self._augmentation.resize is not None

    @property
    def is_random(self) -> bool:
        """Return whether `cut` or `finish` draw."""
        return self._augmentation.random_resized_crop or self._recolour is not None

    def cut(self, picture: Picture, epoch: int) -> Picture:
        """Cut out what the network sees of a picture."""
        if not self._is_cut:
            return picture
        if self._augmentation.random_resized_crop:
            side = self._augmentation.size_in(epoch)
            sides = self._sides if side is None else (side,) * 2
            scale, ratio = (self._augmentation.min_crop_area, 1.0), (1 / MAX_ASPECT, MAX_ASPECT)
            crop = v2.RandomResizedCrop(sides, scale, ratio, self._interpolation, antialias=True)
            return crop(picture)
        shorter = int(min(self._sides) / self._augmentation.crop_ratio)
        resized = F.resize(picture, [shorter], self._interpolation, antialias=True)
        return F.center_crop(resized, list(self._sides))

    def finish(self, picture: Picture, angle: float | None) -> Tensor:
        """Rotate, recolour and resize; return (C, H, W)."""
        if angle is not None:
            picture = F.rotate(picture, angle, InterpolationMode.NEAREST)
        if self._recolour is not None:
            picture = self._recolour(picture)
        if self._augmentation.resize is not None:
            sides = [self._augmentation.resize] * 2
            picture = F.resize(picture, sides, InterpolationMode.BILINEAR, antialias=True)
        return picture if isinstance(picture, Tensor) else F.pil_to_tensor(picture)


def _build_recolour(
    augmentation: Augmentation, sides: tuple[int, ...], mean: tuple[float, ...]
) -> Recolour | None:
    """Return RandAugment or colour jitter, if there is one."""
    if augmentation.color_jitter:
        return v2.ColorJitter(*(augmentation.color_jitter,) * 3)
    if augmentation.randaugment is None:
        return None
    # timm takes most of a second to import.
    from timm.data.auto_augment import posterize, rand_augment_transform

    settings = {
        "translate_const": int(min(sides) * 0.45),
        "img_mean": tuple(min(255, round(255 * value)) for value in mean),
        "interpolation": PIL_INTERPOLATIONS[augmentation.interpolation],
    }
    transform = rand_augment_transform(augmentation.randaugment, settings)
    for operation in transform.ops:
        if operation.aug_fn is posterize:
            operation.aug_fn = _posterize
    return partial(_apply_some, transform.ops, transform.num_layers)


def _posterize(picture: Image.Image, bits: int, **_: object) -> Image.Image:
    """Keep the highest bits of each value; 0 give black, which newer versions of PIL refuse."""
    return ImageOps.posterize(picture, bits) if bits else picture.point(lambda _: 0)


def build_eraser(augmentation: Augmentation) -> Callable[[Tensor], Tensor] | None:
    """Return timm's random erasing, in place, of normalised images (B, C, H, W), if it is on."""
    if not augmentation.random_erasing:
        return None
    from timm.data.random_erasing import RandomErasing

    make: Callable[..., Callable[[Tensor], Tensor]] = RandomErasing
    mode = augmentation.random_erasing_mode
    return make(augmentation.random_erasing, mode=mode, device="cpu")


def _apply_some(operations: Sequence[Recolour], count: int, picture: Picture) -> Picture:
    """Apply some operations, as timm's RandAugment, which draws them from numpy's global state."""
    for index in torch.randint(len(operations), (count,)).tolist():
        picture = operations[index](picture)
    return picture
