"""The usual ways of making the batches that kbench's loaders make, for comparison.

Shapes: N images, B images of a batch, C channels, H and W height and width in pixels.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from kbench.datasets.beton import beton_path, import_ffcv
from kbench.datasets.dataset import Dataset, FileSplit, Split
from kbench.storage import Storage

MEAN, STD, PADDING, SIDE = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 4, 224
Epoch = Callable[[int], Iterator[Tensor]]


def fancy_index_epoch(
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


def dataloader_epoch(
    samples: Split | FileSplit, batch_size: int, device: torch.device, num_workers: int
) -> Epoch:
    """Return torch's `DataLoader` with torchvision's transforms of PIL images."""
    loader = DataLoader(
        TransformedImages(samples),
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=device.type == "cuda",
    )
    return lambda _: (inputs.to(device, non_blocking=True) for inputs, _ in loader)


class TransformedImages(TorchDataset[tuple[Tensor, int]]):
    """Images as PIL, changed one by one by torchvision."""

    def __init__(self, samples: Split | FileSplit) -> None:
        if isinstance(samples, FileSplit):
            self.images: list[Any] = list(samples.paths)
            cut: object = transforms.RandomResizedCrop(SIDE)
        else:
            self.images = [to_pil_image(image) for image in samples.images]
            cut = transforms.RandomCrop(samples.images.shape[2:], PADDING)
        self.targets = samples.targets.tolist()
        self.transform = transforms.Compose(
            [
                cut,
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if isinstance(image, Path):
            with Image.open(image) as picture:
                image = picture.convert("RGB")
        return self.transform(image), self.targets[index]


def bare_ffcv_epoch(
    dataset: Dataset, batch_size: int, device: torch.device, num_workers: int
) -> Epoch:
    """Return FFCV's own loader with its own operations, for the same work.

    Its batches are views of buffers that it fills again, and its random numbers have no seed.
    """
    threads = torch.get_num_threads()
    import_ffcv()
    from ffcv.fields import decoders
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import (
        NormalizeImage,
        RandomHorizontalFlip,
        RandomTranslate,
        ToTensor,
        ToTorchImage,
    )

    statistics = (np.array(values) * 255 for values in (MEAN, STD))
    samples = dataset.load("train")
    if isinstance(samples, FileSplit):
        path = beton_path(dataset, "train", Storage())
        first = [decoders.RandomResizedCropRGBImageDecoder((SIDE, SIDE)), RandomHorizontalFlip()]
    else:
        path = _write_colour_beton(samples, dataset.folder / "bare.beton")
        translate = RandomTranslate(PADDING, (0, 0, 0))
        first = [decoders.SimpleRGBImageDecoder(), RandomHorizontalFlip(), translate]
    last = [ToTensor(), ToTorchImage(channels_last=False)]
    loader = Loader(
        str(path),
        batch_size,
        num_workers=num_workers,
        order=OrderOption.RANDOM,
        seed=0,
        drop_last=False,
        pipelines={"image": [*first, NormalizeImage(*statistics, np.float32), *last]},
    )
    torch.set_num_threads(threads)
    return partial(_bare_batches, loader, device, threads)


def _bare_batches(
    loader: Any,  # noqa: ANN401 - untyped library
    device: torch.device,
    threads: int,
    _: int,
) -> Iterator[Tensor]:
    for inputs, _targets in loader:
        yield inputs.to(device)
    torch.set_num_threads(threads)


def _write_colour_beton(split: Split, path: Path) -> Path:
    """Write images as FFCV's colour pictures, which its own operations need."""
    from ffcv.fields import IntField, RGBImageField
    from ffcv.fields.rgb_image import IMAGE_MODES

    from kbench.datasets.beton_file import BetonFile

    images = split.images.permute(0, 2, 3, 1).contiguous().numpy()
    height, width = images.shape[1:3]
    fields = {"image": RGBImageField(), "label": IntField()}
    with BetonFile(path, b"bare".ljust(16), fields, len(split)) as file:
        for image, target in zip(images, split.targets.tolist(), strict=True):
            file.add(((IMAGE_MODES["raw"], width, height), target), image.reshape(-1))
        file.finish()
    return path
