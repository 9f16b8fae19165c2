"""What a loader refuses before it starts: changes that do not fit the samples."""

from dataclasses import fields

import torch
from torch import Tensor

from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import UnsupportedError
from kbench.loaders.batch import Source
from kbench.recipe import Augmentation, find_refused

MIXES = ("mixup", "cutmix")
ANY_SHAPE = ("repeats", "mixup", "mixup_prob", "mixup_switch_prob")
WITH_MASKS = ("crop_padding", "flip", "repeats")
# torchvision and timm do these with PIL, which knows grey and colour bytes.
WITH_PIL = ("size", "random_resized_crop", "randaugment", "color_jitter")


def check_changes(
    kind: str, augmentation: Augmentation, source: Source, samples: Split | FileSplit
) -> None:
    """Refuse what a loader cannot do with its samples.

    Raises:
        UnsupportedError: Names the field of the augmentation, or the picture files.
    """
    if reason := find_refused(kind, augmentation):
        raise UnsupportedError(reason)
    if isinstance(samples, FileSplit):
        return
    name, images, targets = source.dataset.name, samples.images, samples.targets
    what = f"{name!r}, whose samples have the shape {tuple(images.shape[1:])}"
    if images.ndim != 4:
        _allow(ANY_SHAPE, augmentation, f"needs images, unlike {what}")
    if not _is_picture(images):
        refused = [field for field in WITH_PIL if augmentation.is_on(field)]
        _refuse(refused, augmentation, f"needs 8-bit pictures, grey or RGB, unlike {what}")
    if targets.is_floating_point():
        _allow(("repeats",), augmentation, f"needs class numbers, unlike the values of {name!r}")
    elif targets.ndim > 1:
        _allow(WITH_MASKS, augmentation, f"needs class numbers, unlike the masks of {name!r}")


def in_memory(kind: str, source: Source) -> Split:
    """Load samples that lie in memory.

    Raises:
        UnsupportedError: If they are picture files.
    """
    samples = source.load()
    if isinstance(samples, FileSplit):
        message = (
            f"loader {kind!r} cannot read the picture files of {source.dataset.name!r}; "
            "these can: torch, ffcv"
        )
        raise UnsupportedError(message)
    return samples


def check_layout(shape: tuple[int, ...], *, channels_last: bool) -> None:
    """Refuse the memory format of images for samples of another shape than (C, H, W).

    Raises:
        UnsupportedError: If `channels_last` is asked for without images.
    """
    if channels_last and len(shape) != 3:
        message = f"channels_last needs images, not samples of the shape {tuple(shape)}"
        raise UnsupportedError(message)


def _is_picture(images: Tensor) -> bool:
    return images.ndim == 4 and images.dtype == torch.uint8 and images.shape[1] in (1, 3)


def _allow(allowed: tuple[str, ...], augmentation: Augmentation, reason: str) -> None:
    others = (field.name for field in fields(augmentation) if field.name not in allowed)
    harmless = ("test_size", "test_resize", "crop_ratio", "interpolation")
    refused = [name for name in others if name not in harmless and augmentation.is_on(name)]
    _refuse(refused, augmentation, reason)


def _refuse(refused: list[str], augmentation: Augmentation, reason: str) -> None:
    if refused:
        value = getattr(augmentation, refused[0])
        message = f"augmentation.{refused[0]} (={value!r}) {reason}"
        raise UnsupportedError(message)
