"""Loader of everything: torch's `DataLoader` with torchvision's and timm's transforms.

Slower than the others, and what they are tested against.

Shapes: B samples of a batch, C channels, H and W height and width in pixels.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass

import torch
from torch.utils.data import DataLoader, Sampler

from kbench.datasets.dataset import FileSplit
from kbench.errors import DatasetError
from kbench.loaders.augmentation import channel_values, to_channels_last
from kbench.loaders.batch import Batch, Source
from kbench.loaders.refusals import check_changes, check_layout
from kbench.loaders.steps import Steps
from kbench.loaders.torch_batches import Position, TorchBatches
from kbench.recipe import Augmentation

WORKERS_VARIABLE = "KBENCH_WORKERS"


@dataclass(eq=False)
class TorchLoader:
    """Batches that worker processes make, of samples in memory or of picture files.

    Order and augmentation are pure functions of seed, epoch and place in it: neither the number of
    workers nor a resumed epoch changes a batch. Crops with padding, flips and rotations are those
    of the loader in memory; what torchvision and timm draw themselves is drawn for each image, from
    numbers of its own.

    Workers start with the first epoch and stay until the loader goes.

    Attributes:
        source: Samples and targets.
        batch_size: B; the last batch of an epoch may be smaller.
        augmentation: Random changes of the images; `Augmentation()` for none.
        mean: What is subtracted from each channel, of pixels in 0 to 1.
        std: What each channel is divided by, afterwards.
        seed: Seed of order and augmentation, not negative.
        shuffle: Whether an epoch has an order of its own; otherwise it has the split's.
        drop_last: Leave out the last batch if it is smaller.
        device: Where the batches are.
        channels_last: Memory format of the inputs.
        num_workers: Processes that make batches, 0 for this one alone; None for what
            `KBENCH_WORKERS` says, else one for each of torch's threads.

    Raises:
        DatasetError: As `Source.load`, or if a picture cannot be read.
        UnsupportedError: If the augmentation does not fit the samples.
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

    def __post_init__(self) -> None:
        if self.num_workers is None:
            self.num_workers = default_workers()
        samples = self.source.load()
        check_changes("torch", self.augmentation, self.source, samples)
        shape = self.source.dataset.input_shape
        if not isinstance(samples, FileSplit):
            shape = tuple(samples.images.shape[1:])
        check_layout(shape, channels_last=self.channels_last)
        self._steps = Steps(
            len(samples),
            self.batch_size,
            self.seed,
            self.shuffle,
            self.drop_last,
            self.augmentation.repeats,
        )
        mean, std = (
            channel_values(name, values, shape)
            for name, values in (("mean", self.mean), ("std", self.std))
        )
        self._batches_of = TorchBatches(
            self.source, samples, self._steps, self.augmentation, mean, std
        )
        self._positions = Positions()
        self._lasting = self._make_loader(self._positions, lasts=True)
        self._is_busy = False

    def __len__(self) -> int:
        return len(self._steps)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch; those before step `start` are not computed.

        Raises:
            DatasetError: If a picture cannot be read.
            ValueError: If `epoch` is negative or `start` is not 0 to the number of steps.
        """
        self._steps.check(epoch, start)
        positions = [(epoch, step) for step in range(start, len(self))]
        return self._batches(positions)

    def _batches(self, positions: list[Position]) -> Iterator[Batch]:
        with self._loader_of(positions) as loader:
            with held_signals():  # workers that are being made inherit it
                made_batches = iter(loader)
            for made in made_batches:
                if isinstance(made, DatasetError):
                    # A new one: `made` would hold this frame, and with it the workers.
                    raise DatasetError(*made.args)
                yield self._place(made)

    @contextmanager
    def _loader_of(self, positions: list[Position]) -> Iterator[DataLoader[Batch | DatasetError]]:
        """Lend the workers that last, or others while those are lent."""
        if self._is_busy:
            yield self._make_loader(Positions(positions), lasts=False)
            return
        self._is_busy = True
        self._positions.positions = positions
        try:
            yield self._lasting
        finally:
            self._is_busy = False

    def _make_loader(
        self, positions: "Positions", *, lasts: bool
    ) -> DataLoader[Batch | DatasetError]:
        workers = self.num_workers or 0
        return DataLoader(
            self._batches_of,
            batch_size=None,
            sampler=positions,
            num_workers=workers,
            persistent_workers=lasts and workers > 0,
            pin_memory=torch.device(self.device).type == "cuda",
            # A cell's process is a fork of a server; by its own way of starting processes, a
            # worker would be the child of another server, which has to import everything first.
            multiprocessing_context="fork" if workers else None,
            worker_init_fn=outlive_requests_to_stop,
            # Otherwise every epoch would take a number from torch's global generator.
            generator=torch.Generator(),
        )

    def _place(self, batch: Batch) -> Batch:
        inputs, targets = (part.to(self.device, non_blocking=True) for part in batch)
        return Batch(to_channels_last(inputs) if self.channels_last else inputs, targets)


class Positions(Sampler[Position]):
    """Steps that are still to be made, by (epoch, step)."""

    def __init__(self, positions: list[Position] | None = None) -> None:
        self.positions = positions or []

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[Position]:
        return iter(self.positions)


def default_workers() -> int:
    """Return the number of workers that `KBENCH_WORKERS` names, else that of torch's threads.

    Raises:
        DatasetError: If the variable is no number.
    """
    text = os.environ.get(WORKERS_VARIABLE, "")
    if not text:
        return torch.get_num_threads()
    if not text.isdecimal():
        message = f"{WORKERS_VARIABLE} (={text!r}) must be a whole number >= 0"
        raise DatasetError(message)
    return int(text)


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold requests to stop back for a moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def outlive_requests_to_stop(_: int) -> None:
    """Let a worker end for its parent alone.

    A job that is asked to stop, with all its processes, needs its workers until it has saved its
    state.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_await_end, args=(os.getppid(),), daemon=True).start()


def _await_end(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(os.EX_OK)
