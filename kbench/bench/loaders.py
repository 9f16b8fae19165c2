"""Speed of the loaders, next to the usual ways of making the same batches.

All loaders are measured in turns within one run, so that what else the machine does meets all.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from kbench.datasets import build_dataset
from kbench.datasets.dataset import Split
from kbench.loaders import LOADERS
from kbench.recipe import Augmentation

MEAN, STD, PADDING = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 4
Epoch = Callable[[int], Iterator[Tensor]]


@dataclass(frozen=True)
class LoaderSpeed:
    """How fast a loader makes batches with crop, flip and normalisation to float32.

    Attributes:
        loader: `memory` and the other kinds of kbench; `fancy_index`: in memory with an index for
            every pixel; `torch_N`: torch's `DataLoader` with N worker processes and torchvision's
            transforms of PIL images.
        source: Where the images come from.
        device: Where the batches end.
        threads: Threads of torch in this process.
        batch_size: Images of a batch.
        images_per_s: Median of the repetitions.
        slowest: Images per second in the slowest repetition.
        fastest: Images per second in the fastest repetition.
        repetitions: Epochs measured, after one to warm up.
    """

    loader: str
    source: str
    device: str
    threads: int
    batch_size: int
    images_per_s: float
    slowest: float
    fastest: float
    repetitions: int


def bench_split(count: int) -> tuple[str, Split]:
    """Return CIFAR-10's first images if they are there, else random ones of the same shape.

    Returns:
        `cifar10` or `synthetic`, and the images.

    Raises:
        DatasetError: If CIFAR-10 is there, but damaged or too small.
    """
    dataset = build_dataset("cifar10")
    if not dataset.missing_files():
        return dataset.name, dataset.load("train").first(count)
    generator = torch.Generator().manual_seed(0)
    shape = (count, *dataset.input_shape)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    targets = torch.randint(0, dataset.num_classes, (count,), generator=generator)
    return "synthetic", Split(images, targets)


def bench_loaders(
    *,
    count: int = 10_240,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    num_workers: tuple[int, ...] = (0, 2),
    repetitions: int = 5,
) -> list[LoaderSpeed]:
    """Measure every loader on the same images.

    Args:
        count: Images of an epoch.
        batch_size: Images of a batch.
        device: Where the batches have to end.
        num_workers: Worker processes of torch's `DataLoader`, a row each.
        repetitions: Epochs measured per loader; the loaders take turns.

    Returns:
        One row per loader, kbench's own first.
    """
    source, split = bench_split(count)
    place = torch.device(device)
    epochs: dict[str, Epoch] = {
        kind: _kbench_epoch(kind, split, batch_size, place) for kind in LOADERS
    }
    epochs["fancy_index"] = partial(_fancy_index_epoch, split, batch_size, place)
    for number in num_workers:
        epochs[f"torch_{number}"] = _torch_epoch(split, batch_size, place, number)
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for repetition in range(repetitions + 1):
        for name, epoch in epochs.items():
            seconds[name].append(_time_epoch(epoch, repetition, place))
    return [
        LoaderSpeed(
            loader=name,
            source=source,
            device=str(place),
            threads=torch.get_num_threads(),
            batch_size=batch_size,
            images_per_s=count / statistics.median(times[1:]),
            slowest=count / max(times[1:]),
            fastest=count / min(times[1:]),
            repetitions=repetitions,
        )
        for name, times in seconds.items()
    ]


def _time_epoch(epoch: Epoch, number: int, device: torch.device) -> float:
    start = time.perf_counter()
    for inputs in epoch(number):
        del inputs
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _kbench_epoch(kind: str, split: Split, batch_size: int, device: torch.device) -> Epoch:
    loader = LOADERS[kind](
        split,
        batch_size=batch_size,
        augmentation=Augmentation(crop_padding=PADDING, flip=True),
        mean=MEAN,
        std=STD,
        seed=0,
        shuffle=True,
        device=device,
    )
    return lambda number: (batch.inputs for batch in loader.batches(number))


def _fancy_index_epoch(
    split: Split, batch_size: int, device: torch.device, number: int
) -> Iterator[Tensor]:
    """Yield batches made with one index per pixel, the short way to write it."""
    generator = torch.Generator().manual_seed(number)
    height, width = split.images.shape[2:]
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (MEAN, STD))
    order = torch.randperm(len(split), generator=generator)
    for start in range(0, len(split), batch_size):
        chosen = order[start : start + batch_size]
        padded = F.pad(split.images[chosen], (PADDING,) * 4)
        corners = torch.randint(0, 2 * PADDING + 1, (2, len(chosen), 1), generator=generator)
        rows = corners[0] + torch.arange(height)  # (B, H)
        columns = corners[1] + torch.arange(width)  # (B, W)
        mirrored = torch.rand(len(chosen), 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
        images = torch.arange(len(chosen)).view(-1, 1, 1, 1)
        channels = torch.arange(padded.shape[1]).view(1, -1, 1, 1)
        pixels = padded[images, channels, rows[:, None, :, None], columns[:, None, None, :]]
        yield ((pixels / 255 - mean) / std).to(device)  # (B, C, H, W)


def _torch_epoch(split: Split, batch_size: int, device: torch.device, num_workers: int) -> Epoch:
    loader = DataLoader(
        _TransformedImages(split),
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=device.type == "cuda",
    )
    return lambda _: (inputs.to(device, non_blocking=True) for inputs, _ in loader)


class _TransformedImages(TorchDataset[tuple[Tensor, int]]):
    """Images as PIL, changed one by one by torchvision."""

    def __init__(self, split: Split) -> None:
        self.images = [to_pil_image(image) for image in split.images]
        self.targets = split.targets.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(split.images.shape[2:], PADDING),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), self.targets[index]
