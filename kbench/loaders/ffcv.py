"""Loader of FFCV's files, for what is too large for memory.

Shapes: N samples of the source, B images of a batch.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbench.ahead import compute_ahead
from kbench.datasets.beton import check_beton, import_ffcv
from kbench.loaders.batch import Batch, Source
from kbench.loaders.batch_changes import change_batch
from kbench.loaders.ffcv_rows import check_augmentation, draw_rows
from kbench.loaders.steps import Steps
from kbench.loaders.torch import default_workers
from kbench.recipe import Augmentation
from kbench.storage import Storage

BATCHES_AHEAD = 3


@dataclass(eq=False)
class FfcvLoader:
    """Batches of a beton, which `kbench data prepare NAME --ffcv` writes.

    Order and augmentation are pure functions of seed, epoch and step, whatever the number of
    workers; crops with padding and flips are those of the other loaders, pixel by pixel. Random
    resized crops have torchvision's distribution; pictures are resized by averaging over areas,
    after they were shrunk and compressed for storage.

    A thread makes batches ahead while an epoch is read, and ends with it. Every batch has memory of
    its own: it stays as it is.

    Attributes:
        source: Names the split and the samples of it.
        batch_size: B; the last batch of an epoch may be smaller.
        augmentation: Random changes of the images; `Augmentation()` for none.
        mean: What is subtracted from each channel, of pixels in 0 to 1.
        std: What each channel is divided by, afterwards.
        seed: Seed of order and augmentation, not negative.
        shuffle: Whether an epoch has an order of its own; otherwise it has the split's.
        drop_last: Leave out the last batch if it is smaller.
        device: Where the batches are.
        channels_last: Memory format of the inputs.
        num_workers: Threads that work on a batch, at most one per core; None as for `TorchLoader`.
        storage: How pictures were stored; None for the defaults.
        compile_s: Seconds that compiling took; next to nothing where this process has compiled the
            same before.

    Raises:
        DatasetError: If ffcv is missing, or the beton is missing, damaged or of other data.
        UnsupportedError: If betons cannot hold the dataset, or the loader cannot do the
            augmentation.
        ValueError: If an argument is out of range or an epoch has no step.
    """

    source: Source
    _: KW_ONLY
    batch_size: int
    augmentation: Augmentation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int
    shuffle: bool
    drop_last: bool = False
    device: torch.device | str = "cpu"
    channels_last: bool = False
    num_workers: int | None = None
    storage: Storage | None = None
    compile_s: float = field(init=False)

    def __post_init__(self) -> None:
        dataset = self.source.dataset
        check_augmentation(self.augmentation, is_file_backed=dataset.is_file_backed)
        threads = default_workers() if self.num_workers is None else self.num_workers
        path = check_beton(dataset, self.source.split, self.storage or Storage())
        import_ffcv()
        from kbench.loaders.ffcv_reader import BetonReader

        self._reader = BetonReader(
            path,
            self.mean,
            self.std,
            device=torch.device(self.device),
            channels_last=self.channels_last,
            num_threads=threads,
        )
        places = self.source.places(len(self._reader.targets))
        self._places = np.arange(len(self._reader.targets)) if places is None else places
        self._steps = Steps(
            len(self._places),
            self.batch_size,
            self.seed,
            self.shuffle,
            self.drop_last,
            self.augmentation.repeats,
        )
        self.compile_s = self._reader.compile(self._side(0))

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
        order = self._places[self._steps.order(epoch)]
        share = self.source.share
        make = partial(self._read, order, epoch)
        steps = range(start, len(self))
        num_classes = self.source.dataset.num_classes
        made = compute_ahead(make, steps, num_threads=1, ahead=BATCHES_AHEAD)
        try:
            for step, images in zip(steps, made, strict=True):
                chosen = order[self._steps.span(step)]
                own = share.places(len(chosen))
                targets = self._reader.targets[chosen[own]].to(self.device)
                batch = Batch(self._reader.finish(images), targets)
                position = self.seed, epoch, step
                yield change_batch(batch, self.augmentation, num_classes, position, own)
        finally:
            made.close()

    def _read(self, order: NDArray[np.int64], epoch: int, step: int) -> Tensor:
        side = self._side(epoch)
        chosen = order[self._steps.span(step)]
        position = self.seed, epoch, step
        rows = draw_rows(self.augmentation, chosen, self._reader.sizes, side, position)
        return self._reader.read(rows[self.source.share.places(len(chosen))], side)

    def _side(self, epoch: int) -> int | None:
        """Return the side of what is cut out of pictures; None for images of one size."""
        dataset = self.source.dataset
        if not dataset.is_file_backed:
            return None
        return self.augmentation.size_in(epoch) or dataset.input_shape[-1]
