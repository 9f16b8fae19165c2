"""Batches that torch's worker processes make: a pure function of seed, epoch and step.

A worker makes a whole batch, so the numbers of a batch are drawn as the loader in memory draws them
and neither the number of workers nor what came before has an influence.

Shapes: N samples of the split, B samples of a batch, C channels, H and W height and width in
pixels, K classes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms.v2 import functional as F

from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import DatasetError
from kbench.loaders import randomness
from kbench.loaders.augmentation import MASK_MARGIN, Changes, draw_changes, normalise
from kbench.loaders.batch import Batch, Source
from kbench.loaders.mixing import mix_batch
from kbench.loaders.pictures import PictureChanges, build_eraser, move, open_sample, seeded
from kbench.loaders.steps import Steps
from kbench.recipe import Augmentation

Position = tuple[int, int]


class TorchBatches(TorchDataset[Batch | DatasetError]):
    """The batches of all epochs, by (epoch, step).

    Args:
        source: Names the dataset.
        samples: What the batches are made of.
        steps: Which samples a step takes.
        augmentation: What happens to them.
        mean: What is subtracted from each channel, (C, 1, 1) for images.
        std: What each channel is divided by, likewise.
    """

    def __init__(
        self,
        source: Source,
        samples: Split | FileSplit,
        steps: Steps,
        augmentation: Augmentation,
        mean: Tensor,
        std: Tensor,
    ) -> None:
        self._samples, self._steps, self._augmentation = samples, steps, augmentation
        self._mean, self._std = mean, std
        self._share = source.share
        self._num_classes = source.dataset.num_classes
        self._complete = source.dataset.complete
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        self._eraser = build_eraser(augmentation)
        is_sized = isinstance(samples, FileSplit) or augmentation.size is not None
        self._changes = PictureChanges(
            augmentation,
            source.dataset.input_shape[1:],
            tuple(self._mean.flatten().tolist()),
            is_cut=is_sized or augmentation.random_resized_crop,
        )

    def __getitem__(self, position: Position) -> Batch | DatasetError:
        """Return a batch on the CPU, or why it cannot be made.

        An exception would reach the main process as text with a traceback.
        """
        try:
            return self._make(*position)
        except DatasetError as error:
            return error

    def _make(self, epoch: int, step: int) -> Batch:
        span = self._steps.span(step)
        chosen = self._order_of(epoch)[span]
        position = self._steps.seed, epoch, step
        generator = randomness.augmentation_generator(*position)
        changes = draw_changes(self._augmentation, len(chosen), generator)
        own = self._share.places(len(chosen)).tolist()
        images = [
            self._image(int(chosen[index]), (epoch, span.start + index), changes, index)
            for index in own
        ]
        inputs = self._complete(normalise(torch.stack(images), self._mean, self._std))
        if self._eraser is not None:
            for image, index in zip(inputs, own, strict=True):
                sample = self._steps.seed, epoch, span.start + index
                with seeded(randomness.erasing_generator(*sample)):
                    self._eraser(image)
        batch = Batch(inputs, self._targets(chosen, changes, own))
        if not self._augmentation.is_mixing:
            return batch
        generator = randomness.mixing_generator(*position)
        return mix_batch(batch, self._augmentation, self._num_classes, generator)

    def _image(self, place: int, position: Position, changes: Changes, index: int) -> Tensor:
        """Return (C, H, W) of the sample at a place of the split."""
        if not self._changes.is_random:
            return self._change(place, position[0], changes, index)
        generator = randomness.sample_generator(self._steps.seed, *position)
        with seeded(generator):
            return self._change(place, position[0], changes, index)

    def _change(self, place: int, epoch: int, changes: Changes, index: int) -> Tensor:
        picture = open_sample(self._samples, place, as_pil=self._changes.needs_pil)
        picture = self._changes.cut(picture, epoch)
        picture = move(picture, changes, index)
        angle = None if changes.angles is None else float(changes.angles[index])
        return self._changes.finish(picture, angle)

    def _targets(self, chosen: NDArray[np.int64], changes: Changes, own: list[int]) -> Tensor:
        """Return the targets of the own part; masks move with their images."""
        targets = self._samples.targets[torch.from_numpy(chosen[own])]
        if targets.ndim != 3 or targets.is_floating_point():
            return targets
        moved = [
            F.to_image(move(mask[None], changes, index, MASK_MARGIN))[0]
            for index, mask in zip(own, targets, strict=True)
        ]
        return torch.stack(moved)

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            self._order = epoch, self._steps.order(epoch)
        return self._order[1]
