"""Loader of what fits in memory: images stay on the device, batches are made there.

Shapes: N images of the split, B images of a batch, C channels, H and W height and width in pixels.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from kbench.datasets.dataset import Split
from kbench.loaders.augmentation import (
    apply_changes,
    draw_changes,
    normalise,
    take_images,
    to_channels_last,
)
from kbench.loaders.batch import Batch
from kbench.loaders.randomness import augmentation_generator, draw_order
from kbench.recipe import Augmentation


class MemoryLoader:
    """Batches of a split that lies on the device.

    The order is a pure function of (seed, epoch), the augmentation of (seed, epoch, step): a run
    that resumes in the middle of an epoch sees the batches of one that was never interrupted.
    Zeros of a crop are added before the normalisation, as torchvision does with images.

    Args:
        split: Images and targets; they are copied to the device, if they are not there.
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
        ValueError: If an argument is out of range or an epoch has no step.
    """

    def __init__(
        self,
        split: Split,
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
        if seed < 0:
            message = f"seed (={seed}) must be >= 0"
            raise ValueError(message)
        self._images = split.images.to(device)
        self._targets = split.targets.to(device)
        self._mean = _channel_values("mean", mean, self._images)
        self._std = _channel_values("std", std, self._images)
        self._num_steps = _count_steps(len(split), batch_size, drop_last=drop_last)
        self._batch_size = batch_size
        self._augmentation = augmentation
        self._seed = seed
        self._shuffle = shuffle
        self._channels_last = channels_last

    def __len__(self) -> int:
        return self._num_steps

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch; those before step `start` are not computed.

        Raises:
            ValueError: If `epoch` is negative or `start` is not 0 to the number of steps.
        """
        if epoch < 0:
            message = f"epoch (={epoch}) must be >= 0"
            raise ValueError(message)
        if not 0 <= start <= len(self):
            message = f"start (={start}) must be 0 to {len(self)}, the steps of an epoch"
            raise ValueError(message)
        return self._batches(epoch, start)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        size = len(self._targets)
        drawn = draw_order(self._seed, epoch, size) if self._shuffle else np.arange(size)
        order = torch.from_numpy(drawn).to(self._targets.device)
        for step in range(start, len(self)):
            yield self._batch(epoch, step, order)

    def _batch(self, epoch: int, step: int, order: Tensor) -> Batch:
        chosen = order[step * self._batch_size : (step + 1) * self._batch_size]  # (B,)
        images = take_images(self._images, chosen)
        if self._augmentation != Augmentation():
            generator = augmentation_generator(self._seed, epoch, step)
            changes = draw_changes(self._augmentation, len(chosen), generator)
            images = apply_changes(images, changes)
        inputs = normalise(images, self._mean, self._std)
        if self._channels_last:
            inputs = to_channels_last(inputs)
        return Batch(inputs, self._targets[chosen])


def _channel_values(name: str, values: tuple[float, ...], images: Tensor) -> Tensor:
    """Return one value per channel as (C, 1, 1) beside the images."""
    if len(values) != images.shape[1]:
        message = f"{name} (={values!r}) must have {images.shape[1]} values, one per channel"
        raise ValueError(message)
    return torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)


def _count_steps(num_images: int, batch_size: int, *, drop_last: bool) -> int:
    if batch_size < 1:
        message = f"batch_size (={batch_size}) must be >= 1"
        raise ValueError(message)
    num_steps = num_images // batch_size if drop_last else -(-num_images // batch_size)
    if num_steps < 1:
        message = f"an epoch has no step: {num_images} images, batch_size (={batch_size})"
        raise ValueError(message)
    return num_steps
