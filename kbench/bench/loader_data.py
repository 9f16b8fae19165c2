"""Images for the benchmark of loaders: real ones if they are there, else generated ones."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from kbench.datasets import build_dataset
from kbench.datasets.dataset import Dataset, FileSplit, Split

SIDE = 224


class GivenImages(Dataset):
    """Images in memory as a dataset with one split, `train`, and a folder for its files.

    Attributes:
        found_name: Where the images come from.

    Args:
        root: The folder.
        name: Where the images come from.
        samples: The images.
        num_classes: Number of classes.
    """

    name = "bench"

    def __init__(
        self, root: Path, name: str, samples: Split | FileSplit, num_classes: int = 10
    ) -> None:
        super().__init__(root)
        self.found_name = name
        self.num_classes = num_classes
        self.split_sizes: Mapping[str, int] = {"train": len(samples)}
        self.files = ()
        self.input_shape = (3, SIDE, SIDE)
        if isinstance(samples, Split):
            self.input_shape = tuple(samples.images.shape[1:])
        self._samples = samples

    def _read(self, split: str) -> Split | FileSplit:
        del split
        return self._samples


class GivenPictures(GivenImages):
    """Picture files, likewise."""

    is_file_backed = True


def find_images(folder: Path, count: int) -> GivenImages:
    """Return CIFAR-10's first images if they are there, else random ones of the same shape.

    Raises:
        DatasetError: If CIFAR-10 is there, but damaged or too small.
    """
    dataset = build_dataset("cifar10")
    if not dataset.missing_files():
        samples = dataset.load("train").first(count)
        return GivenImages(folder, dataset.name, samples)
    generator = torch.Generator().manual_seed(0)
    shape = (count, *dataset.input_shape)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    targets = torch.randint(0, dataset.num_classes, (count,), generator=generator)
    return GivenImages(folder, "generated", Split(images, targets))


def find_pictures(folder: Path, count: int) -> GivenPictures:
    """Return the first pictures of Imagenette's subset if it is there, else generated ones.

    Both are JPEG files of 224 pixels; there are `count`, or as many as the subset has.

    Raises:
        DatasetError: If the subset is there, but damaged.
    """
    dataset = build_dataset("imagenette_subset")
    if not dataset.missing_files():
        samples = dataset.load("train")
        return GivenPictures(folder, dataset.name, samples.first(min(count, len(samples))))
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    paths = tuple(pictures / f"{index:05}.jpg" for index in range(count))
    generator = np.random.default_rng(0)
    for path in paths:
        draw_picture(generator).save(path, quality=90)
    return GivenPictures(folder, "generated", FileSplit(paths, torch.arange(count) % 10))


def draw_picture(generator: np.random.Generator) -> Image.Image:
    """Return a picture that takes about as many bytes as a photograph: clouds with some noise."""
    coarse = generator.integers(0, 256, (14, 14, 3), dtype=np.uint8)
    clouds = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    noise = generator.normal(0, 6, (SIDE, SIDE, 3))
    pixels = np.clip(np.asarray(clouds) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)
