"""Loader of what fits in memory: samples stay on the device, batches are made there.

Shapes: N samples of the split, B samples of a batch, C channels, S spatial sides, H and W height
and width in pixels.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from kbench.loaders import randomness
from kbench.loaders.augmentation import (
    MASK_MARGIN,
    Changes,
    apply_changes,
    channel_values,
    draw_changes,
    normalise,
    take_images,
    to_channels_last,
)
from kbench.loaders.batch import Batch, Source
from kbench.loaders.erasing import draw_patches, erase
from kbench.loaders.geometry import resize
from kbench.loaders.mixing import mix_batch
from kbench.loaders.refusals import check_changes, check_layout, in_memory
from kbench.loaders.steps import Steps
from kbench.recipe import Augmentation


class MemoryLoader:
    """Batches of a split that lies on the device.

    The order is a pure function of (seed, epoch), the augmentation of (seed, epoch, step): a run
    that resumes in the middle of an epoch sees the batches of one that was never interrupted.
    Zeros of a crop are added before the normalisation, as torchvision does with images. Masks are
    cropped and mirrored with their images.

    Args:
        source: Samples and targets; they are copied to the device.
        batch_size: B; the last batch of an epoch may be smaller.
        augmentation: Random changes of the images; `Augmentation()` for none.
        mean: What is subtracted from each channel, of pixels in 0 to 1.
        std: What each channel is divided by, afterwards.
        seed: Seed of order and augmentation, not negative.
        shuffle: Whether an epoch has an order of its own; otherwise it has the split's.
        drop_last: Leave out the last batch if it is smaller.
        device: Where the batches are.
        channels_last: Memory format of the inputs.

    Raises:
        DatasetError: As `Source.load`.
        UnsupportedError: If the samples are picture files, or the augmentation does not fit them.
        ValueError: If an argument is out of range or an epoch has no step.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        augmentation: Augmentation,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        seed: int,
        shuffle: bool,
        drop_last: bool = False,
        device: torch.device | str = "cpu",
        channels_last: bool = False,
    ) -> None:
        split = in_memory("memory", source)
        check_changes("memory", augmentation, source, split)
        check_layout(split.images.shape[1:], channels_last=channels_last)
        self._steps = Steps(
            len(split), batch_size, seed, shuffle, drop_last, repeats=augmentation.repeats
        )
        self._images = split.images.to(device)
        self._targets = split.targets.to(device)
        shape = tuple(split.images.shape[1:])
        self._mean = channel_values("mean", mean, shape).to(device)
        self._std = channel_values("std", std, shape).to(device)
        self._num_classes = source.dataset.num_classes
        self._complete = source.dataset.complete
        self._augmentation = augmentation
        self._channels_last = channels_last
        self._share = source.share
        self._is_moving = any(map(augmentation.is_on, ("crop_padding", "flip", "rotation")))

    def __len__(self) -> int:
        return len(self._steps)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch; those before step `start` are not computed.

        Raises:
            ValueError: If `epoch` is negative or `start` is not 0 to the number of steps.
        """
        self._steps.check(epoch, start)
        return self._batches(epoch, start)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        order = torch.from_numpy(self._steps.order(epoch)).to(self._targets.device)
        for step in range(start, len(self)):
            chosen = order[self._steps.span(step)]  # (B,)
            position = self._steps.seed, epoch, step
            targets = self._targets[chosen]
            images = take_images(self._images, chosen)
            if self._is_moving:
                generator = randomness.augmentation_generator(*position)
                changes = draw_changes(self._augmentation, len(chosen), generator)
                images, targets = apply_changes(images, changes), _change_masks(targets, changes)
            if self._augmentation.resize is not None:
                images = resize(images, self._augmentation.resize)
            inputs = self._complete(normalise(images, self._mean, self._std))
            if self._channels_last:
                inputs = to_channels_last(inputs)
            batch = self._mix(Batch(self._erase(inputs, position), targets), position)
            yield Batch(*map(self._share.take, batch))

    def _erase(self, inputs: Tensor, position: tuple[int, int, int]) -> Tensor:
        if not self._augmentation.random_erasing:
            return inputs
        generator = randomness.erasing_generator(*position)
        return erase(inputs, draw_patches(self._augmentation, tuple(inputs.shape), generator))

    def _mix(self, batch: Batch, position: tuple[int, int, int]) -> Batch:
        if not self._augmentation.is_mixing:
            return batch
        generator = randomness.mixing_generator(*position)
        return mix_batch(batch, self._augmentation, self._num_classes, generator)


def _change_masks(targets: Tensor, changes: Changes) -> Tensor:
    """Change masks (B, H, W) as their images; class numbers (B,) stay."""
    if targets.ndim == 1:
        return targets
    return apply_changes(targets[:, None], changes, MASK_MARGIN)[:, 0]
