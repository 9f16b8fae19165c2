"""Speed of the loaders, next to the usual ways of making the same batches.

All loaders are measured in turns within one run, so that what else the machine does meets all.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from kbench.bench.loader_data import GivenImages, find_images, find_pictures
from kbench.bench.loader_peers import (
    MEAN,
    STD,
    Epoch,
    bare_ffcv_epoch,
    dataloader_epoch,
    fancy_index_epoch,
)
from kbench.datasets.beton_prepare import prepare_betons
from kbench.datasets.dataset import Split
from kbench.errors import DatasetError
from kbench.loaders import find_loader
from kbench.loaders.batch import Source
from kbench.recipe import Augmentation

CROP = Augmentation(crop_padding=4, flip=True)
RESIZED_CROP = Augmentation(random_resized_crop=True, flip=True)
Kind = Literal["images", "pictures"]


@dataclass(frozen=True)
class LoaderSpeed:
    """How fast a loader makes batches with random crop, flip and normalisation to float32.

    Attributes:
        images: `images` of 32 pixels in memory or stored as they are, cropped with padding, or
            `pictures` of 224 pixels as JPEG, of which random parts are resized.
        loader: `memory`, `torch` and `ffcv` are kbench's; `fancy_index`: in memory with an index
            for every pixel; `dataloader`: torch's `DataLoader` with torchvision's transforms;
            `bare_ffcv`: FFCV's own loader and operations.
        workers: Processes or threads of the loader.
        source: Where the images come from.
        device: Where the batches end.
        threads: Threads of torch in this process.
        batch_size: Images of a batch.
        images_per_s: Median of the repetitions.
        slowest: Images per second in the slowest repetition.
        fastest: Images per second in the fastest repetition.
        repetitions: Epochs measured, after the first.
        first_epoch_s: Seconds from making the loader to the end of its first epoch, which compiles
            and starts workers. What one row has compiled, the next need not.
    """

    images: str
    loader: str
    workers: int
    source: str
    device: str
    threads: int
    batch_size: int
    images_per_s: float
    slowest: float
    fastest: float
    repetitions: int
    first_epoch_s: float


@dataclass
class Contender:
    """A loader that takes part.

    Attributes:
        loader: As in `LoaderSpeed`.
        workers: Likewise.
        make: What makes it.
    """

    loader: str
    workers: int
    make: Callable[[], Epoch]


def bench_loaders(
    kinds: Sequence[Kind] = ("images", "pictures"),
    *,
    count: int = 10_240,
    num_pictures: int = 800,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    num_workers: Sequence[int] = (0, 2),
    repetitions: int = 5,
) -> list[LoaderSpeed]:
    """Measure every loader on the same images; those of FFCV where it is installed.

    Args:
        kinds: What is loaded.
        count: Images of an epoch.
        num_pictures: Pictures of an epoch, at most.
        batch_size: Images of a batch; at most a quarter of it for pictures.
        device: Where the batches have to end.
        num_workers: Worker processes of `torch` and `dataloader`, threads of FFCV where it is not
            0; a row each.
        repetitions: Epochs measured per loader; the loaders take turns.

    Returns:
        One row per loader and number of workers.
    """
    place = torch.device(device)
    rows = []
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="kbench-") as folder:
            if kind == "images":
                dataset, size = find_images(Path(folder), count), batch_size
            else:
                dataset, size = find_pictures(Path(folder), num_pictures), -(-batch_size // 4)
            contenders = list_contenders(dataset, size, place, num_workers)
            rows += _measure(kind, dataset, size, place, contenders, repetitions)
    return rows


def list_contenders(
    dataset: GivenImages, batch_size: int, device: torch.device, num_workers: Sequence[int]
) -> list[Contender]:
    """Return who takes part."""
    samples = dataset.load("train")
    given = dataset, batch_size, device
    contenders = []
    if isinstance(samples, Split):
        contenders.append(Contender("memory", 0, partial(_kbench_epoch, "memory", *given, None)))
    contenders += [
        Contender("torch", workers, partial(_kbench_epoch, "torch", *given, workers))
        for workers in num_workers
    ]
    if _prepare(dataset):
        for workers in filter(None, num_workers):
            contenders += [
                Contender("ffcv", workers, partial(_kbench_epoch, "ffcv", *given, workers)),
                Contender("bare_ffcv", workers, partial(bare_ffcv_epoch, *given, workers)),
            ]
    if isinstance(samples, Split):
        epoch = partial(fancy_index_epoch, samples, batch_size, device)
        contenders.append(Contender("fancy_index", 0, lambda: epoch))
    for workers in num_workers:
        make = partial(dataloader_epoch, samples, batch_size, device, workers)
        contenders.append(Contender("dataloader", workers, make))
    return contenders


def _prepare(dataset: GivenImages) -> bool:
    """Write the betons of a dataset; return whether FFCV is there."""
    try:
        prepare_betons(dataset, num_workers=2)
    except DatasetError as error:
        if isinstance(error.__cause__, ImportError):
            return False
        raise
    return True


def _kbench_epoch(
    kind: str, dataset: GivenImages, batch_size: int, device: torch.device, workers: int | None
) -> Epoch:
    factory: Any = find_loader(kind)
    options = {} if workers is None else {"num_workers": workers}
    loader = factory(
        Source(dataset, "train"),
        batch_size=batch_size,
        augmentation=RESIZED_CROP if dataset.is_file_backed else CROP,
        mean=MEAN,
        std=STD,
        seed=0,
        shuffle=True,
        device=device,
        **options,
    )
    return lambda number: (batch.inputs for batch in loader.batches(number))


def _measure(
    kind: Kind,
    dataset: GivenImages,
    batch_size: int,
    device: torch.device,
    contenders: Sequence[Contender],
    repetitions: int,
) -> list[LoaderSpeed]:
    count = dataset.split_sizes["train"]
    epochs, first = [], []
    for contender in contenders:
        started = time.perf_counter()
        epochs.append(contender.make())
        _time_epoch(epochs[-1], 0, device)
        first.append(time.perf_counter() - started)
    seconds: list[list[float]] = [[] for _ in contenders]
    for repetition in range(1, repetitions + 1):
        for epoch, times in zip(epochs, seconds, strict=True):
            times.append(_time_epoch(epoch, repetition, device))
    return [
        LoaderSpeed(
            images=kind,
            loader=contender.loader,
            workers=contender.workers,
            source=dataset.found_name,
            device=str(device),
            threads=torch.get_num_threads(),
            batch_size=batch_size,
            images_per_s=count / statistics.median(times),
            slowest=count / max(times),
            fastest=count / min(times),
            repetitions=repetitions,
            first_epoch_s=first_s,
        )
        for contender, times, first_s in zip(contenders, seconds, first, strict=True)
    ]


def _time_epoch(epoch: Epoch, number: int, device: torch.device) -> float:
    start = time.perf_counter()
    for inputs in epoch(number):
        del inputs
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
