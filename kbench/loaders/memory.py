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
    UNCHANGED,
    Changes,
    channel_values,
    draw_changes,
    normalise,
    take_images,
    to_channels_last,
)
from kbench.loaders.batch import Batch, Source
from kbench.loaders.batch_changes import change_batch
from kbench.loaders.geometry import resize
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
        self._images = split.images.contiguous().to(device)
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
        order = self._steps.order(epoch)
        for step in range(start, len(self)):
            chosen = order[self._steps.span(step)]  # (B,)
            position = self._steps.seed, epoch, step
            own = self._share.places(len(chosen))
            changes = UNCHANGED
            if self._is_moving:
                generator = randomness.augmentation_generator(*position)
                changes = draw_changes(self._augmentation, len(chosen), generator).of(own)
            places = torch.from_numpy(chosen[own]).to(self._targets.device, non_blocking=True)
            batch = Batch(self._inputs(places, changes), self._targets_of(places, changes))
            yield change_batch(batch, self._augmentation, self._num_classes, position, own)

    def _inputs(self, places: Tensor, changes: Changes) -> Tensor:
        images = take_images(self._images, places, changes)
        if self._augmentation.resize is not None:
            images = resize(images, self._augmentation.resize)
        inputs = self._complete(normalise(images, self._mean, self._std))
        return to_channels_last(inputs) if self._channels_last else inputs

    def _targets_of(self, places: Tensor, changes: Changes) -> Tensor:
        """Return the targets at `places`; masks (N, H, W) move with their images."""
        if changes is UNCHANGED or self._targets.ndim == 1:
            return self._targets[places]
        return take_images(self._targets[:, None], places, changes, MASK_MARGIN)[:, 0]
