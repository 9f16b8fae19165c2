"""ImageNet-1k at 8, 16, 32 or 64 pixels: pickled batches."""

import pickle
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from kbench.datasets.checksum import Fact, recall
from kbench.datasets.cifar_pickle import read_batch
from kbench.datasets.dataset import DataFile, Dataset, Split
from kbench.datasets.normalisation import IMAGENET
from kbench.errors import DatasetError
from kbench.registry import DATASETS

SIZES = (8, 16, 32, 64)
NUM_CLASSES = 1000
TRAIN = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST = ("val_data",)
# What reading a pickle that is cut or is none may raise.
DAMAGE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError)


@DATASETS.register("imagenet_downsampled")
class ImageNetDownsampled(Dataset):
    """Photographs of ImageNet-1k shrunk to 8, 16, 32 or 64 pixels, 1,000 classes or the first ones.

    Chrabaszcz, Loshchilov and Hutter 2017, in the folder `imagenet<size>`; the validation images
    are for testing. Class numbers are those of the files less one: the order of the development
    kit, not that of the WordNet numbers, so classes are named by their number in the files. The
    statistics are those that FlexConv uses (section 6). No checksums are published; records have
    those of the files that were read. How many training images the first classes have is published
    nowhere either: with `classes` the files have to be there.

    Args:
        root: Folder with the data.
        size: Side of the images in pixels.
        classes: Use the first so many classes, with all of their images.

    Raises:
        ValueError: If an option is out of range.
        DatasetError: If `classes` is less than 1,000 and the files are missing.
    """

    name = "imagenet_downsampled"
    mean, std = IMAGENET

    def __init__(
        self, root: Path, *, size: Literal[8, 16, 32, 64] = 32, classes: int = 1000
    ) -> None:
        super().__init__(root)
        if size not in SIZES:
            message = f"size (={size!r}) must be one of {SIZES}"
            raise ValueError(message)
        if not 1 <= classes <= NUM_CLASSES:
            message = f"classes (={classes!r}) must be 1 to {NUM_CLASSES}"
            raise ValueError(message)
        self.place = f"imagenet{size}"
        self.files = tuple(DataFile(f"{self.place}/{name}", None) for name in TRAIN + TEST)
        self.input_shape = (3, size, size)
        self.num_classes = classes
        self.class_names = tuple(str(number) for number in range(1, classes + 1))
        self.split_sizes = {"train": 1_281_167, "test": 50_000}
        if classes < NUM_CLASSES:
            super().verify()
            self.split_sizes = {"train": self._count(TRAIN), "test": self._count(TEST)}

    @property
    def advice(self) -> str:
        """Return where the files belong, as the end of a message."""
        side = self.input_shape[-1]
        return (
            f"there is no automatic download: get the {side}x{side} images of 'Download "
            "downsampled image data' from https://image-net.org/download and unpack them into "
            f"{str(self.folder / self.place)!r}"
        )

    def _count(self, names: tuple[str, ...]) -> int:
        """Return how many images of the classes some batches have; remembered, as it takes long."""
        facts = {}
        for name in names:
            path = self.folder / self.place / name
            status = path.stat()
            find = partial(count_labels, path, self.num_classes)
            key = f"{path.resolve()} classes={self.num_classes}"
            facts[key] = Fact(status.st_size, status.st_mtime_ns, find)
        return sum(map(int, recall(facts, self.folder).values()))

    def _read(self, split: str) -> Split:
        size = self.split_sizes[split]
        images = np.empty((size, *self.input_shape), np.uint8)
        targets = np.empty(size, np.int64)
        end = 0
        for name in TRAIN if split == "train" else TEST:
            path = self.folder / self.place / name
            data, labels = read_downsampled(path)
            if data.shape[1:] != (images[0].size,):
                message = (
                    f"{str(path)!r} has images of {data.shape[1:]} bytes, not {images[0].size}"
                )
                raise DatasetError(message)
            chosen = labels <= self.num_classes
            start, end = end, end + int(chosen.sum())
            if end > size:
                message = f"{str(path)!r} has more images than the {size:,} of the split {split!r}"
                raise DatasetError(message)
            images[start:end] = data[chosen].reshape(-1, *self.input_shape)
            targets[start:end] = labels[chosen] - 1
        return Split(torch.from_numpy(images[:end]), torch.from_numpy(targets[:end]))


def count_labels(path: Path, classes: int) -> str:
    """Return how many labels of a batch are of the first classes.

    Raises:
        DatasetError: As `read_downsampled`.
    """
    return str(int((read_downsampled(path)[1] <= classes).sum()))


def read_downsampled(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images of a batch, (N, 3 * size * size), and their labels, (N,), 1 to 1,000.

    Raises:
        DatasetError: If the file is truncated, no such batch, or has a label out of range.
    """
    try:
        content = {_text(key): value for key, value in read_batch(path).items()}
        data: NDArray[np.uint8] = np.asarray(content["data"], np.uint8)
        labels: NDArray[np.int64] = np.asarray(content["labels"], np.int64)
    except DAMAGE as error:
        message = f"{str(path)!r} is no whole batch of images: {error!r}"
        raise DatasetError(message) from error
    if data.ndim != 2 or labels.shape != data.shape[:1]:
        message = f"{str(path)!r} has images of shape {data.shape} for labels of {labels.shape}"
        raise DatasetError(message)
    wrong = ((labels < 1) | (labels > NUM_CLASSES)).nonzero()[0]
    if len(wrong):
        message = (
            f"{str(path)!r} has label {labels[wrong[0]]} at image {wrong[0]}; "
            f"it must be 1 to {NUM_CLASSES}"
        )
        raise DatasetError(message)
    return data, labels


def _text(key: object) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
