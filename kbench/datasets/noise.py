"""Random images instead of data."""

from pathlib import Path

import torch

from kbench.datasets.dataset import Dataset, Split
from kbench.datasets.resize import check_size
from kbench.registry import DATASETS

SEEDS = {"train": 0, "test": 1}


@DATASETS.register("noise")
class Noise(Dataset):
    """Random pixels, for measuring speed and memory; there is nothing to learn.

    Every byte is uniform in 0 to 255 and independent, whence the statistics; classes come in turn.
    The same options give the same images everywhere.

    Args:
        root: Not used.
        size: Side of the images in pixels.
        channels: C.
        classes: Number of classes.
        count: Images for training; for testing there are as many again.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "noise"
    note = "random pixels, not data: accuracies mean nothing"
    files = ()

    def __init__(
        self,
        root: Path,
        *,
        size: int = 32,
        channels: int = 3,
        classes: int = 10,
        count: int = 1024,
    ) -> None:
        super().__init__(root)
        check_size(size)
        for option, value in (("channels", channels), ("classes", classes), ("count", count)):
            if value < 1:
                message = f"{option} (={value!r}) must be >= 1"
                raise ValueError(message)
        self.num_classes = classes
        self.class_names = tuple(map(str, range(classes)))
        self.split_sizes = {"train": count, "test": count}
        self.input_shape = (channels, size, size)
        # Mean and deviation of a uniform byte, as fractions of 255.
        self.mean = (0.5,) * channels
        self.std = (((256**2 - 1) / 12) ** 0.5 / 255,) * channels

    def _read(self, split: str) -> Split:
        generator = torch.Generator().manual_seed(SEEDS[split])
        shape = (self.split_sizes[split], *self.input_shape)
        images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        return Split(images, torch.arange(len(images)) % self.num_classes)
