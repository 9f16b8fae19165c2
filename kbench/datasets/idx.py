"""Datasets in the idx format of MNIST: a header of big-endian sizes, then bytes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kbench.datasets.dataset import Archive, DataFile, Split
from kbench.datasets.sized import SizedDataset
from kbench.errors import DatasetError

STEMS = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> Tensor:
    """Read an idx file of unsigned bytes; the result owns its memory.

    Raises:
        DatasetError: If the file is of another format or its length does not match its header.
    """
    content = path.read_bytes()
    dims = content[3] if len(content) > 3 else 0
    start = 4 + 4 * dims
    if content[:3] != b"\x00\x00\x08" or len(content) < start:
        message = f"{str(path)!r} is not an idx file of bytes: it begins with {content[:4]!r}"
        raise DatasetError(message)
    shape = np.frombuffer(content, ">i4", dims, offset=4).tolist()
    if len(content) - start != np.prod(shape, dtype=np.int64):
        message = f"{str(path)!r} has {len(content) - start} bytes of values for shape {shape}"
        raise DatasetError(message)
    values = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return torch.from_numpy(values.copy())


def idx_files(folder: str, sums: dict[str, str]) -> tuple[DataFile, ...]:
    """Return the unpacked files of a folder, from their MD5 sums by name."""
    return tuple(DataFile(f"{folder}/{name}", md5) for name, md5 in sums.items())


def idx_archives(folder: str, sums: dict[str, str], urls: tuple[str, ...]) -> tuple[Archive, ...]:
    """Return the published files of a folder: one `.gz` for each file, below each of the URLs."""
    return tuple(
        Archive(
            f"{folder}/{name}.gz",
            md5,
            tuple(f"{url}/{name}.gz" for url in urls),
            (f"{folder}/{name}",),
        )
        for name, md5 in sums.items()
    )


class IdxDataset(SizedDataset):
    """Grey images of 28 x 28 pixels in four idx files, 60,000 for training and 10,000 for testing.

    The order of `files` is: images and targets for training, images and targets for testing.

    Args:
        root: Folder with the data in torchvision's layout.
        size: Side of the images in pixels; other than 28 they are resized bilinearly.

    Raises:
        ValueError: If `size` is not positive.
    """

    num_classes = 10
    split_sizes: Mapping[str, int] = {"train": 60_000, "test": 10_000}

    def __init__(self, root: Path, *, size: int = 28) -> None:
        super().__init__(root, size=size, channels=1)

    def _read(self, split: str) -> Split:
        paths = [self.folder / file.path for file in self.files]
        images, targets = (paths[:2], paths[2:])[split == "test"]
        pixels = read_idx(images).unsqueeze(1)  # (N, 1, 28, 28)
        return Split(pixels, read_idx(targets).to(torch.int64))
