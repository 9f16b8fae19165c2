"""A part of CIFAR-100."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from kbench.datasets.cifar100 import CLASS_NAMES
from kbench.datasets.dataset import DataFile, Split
from kbench.datasets.sized import SizedDataset
from kbench.errors import DatasetError
from kbench.registry import DATASETS

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@DATASETS.register("cifar100_subset")
class Cifar100Subset(SizedDataset):
    """A part of CIFAR-100: 100 fine classes, 100 + 20 photographs of each, 32 x 32 colour pixels.

    For trying recipes of CIFAR-100, whose statistics it has (LC, section 6.1); its accuracies
    compare with no published ones. The checksum is that of the arrays, one after the other, as the
    bytes of the file around them depend on what wrote it.

    Args:
        root: Folder with the data.
        size: Side of the images in pixels; other than 32 they are resized bilinearly.
    """

    name = "cifar100_subset"
    note = (
        "subset, not comparable with CIFAR-100: "
        "100 of 500 training and 20 of 100 test images of each class"
    )
    num_classes = 100
    class_names = tuple(CLASS_NAMES.split())
    split_sizes: Mapping[str, int] = {"train": 10_000, "test": 2_000}
    mean = (0.50707516, 0.48654887, 0.44091784)
    std = (0.26733429, 0.25643846, 0.27615047)
    files = (DataFile("cifar100-subset/cifar100_subset.npz", "310271e70b45fa85cfa67b957c4e3232"),)

    def __init__(self, root: Path, *, size: int = 32) -> None:
        super().__init__(root, size=size, channels=3)

    @property
    def advice(self) -> str:
        """Return where the file belongs, as the end of a message."""
        place = str((self.folder / self.files[0].path).parent)
        return f"there is no download: unpack the pack 'cifar100-subset' into {place!r}"

    def _sums(self, paths: list[Path]) -> list[str]:
        sums = []
        for path in paths:
            arrays = read_arrays(path)
            digest = hashlib.md5(usedforsecurity=False)
            for name in ARRAYS:
                digest.update(arrays[name].tobytes())
            sums.append(digest.hexdigest())
        return sums

    def _read(self, split: str) -> Split:
        arrays = read_arrays(self.folder / self.files[0].path)
        images = torch.from_numpy(arrays[f"{split}_images"]).permute(0, 3, 1, 2)  # (N, 3, 32, 32)
        return Split(images.contiguous(), torch.from_numpy(arrays[f"{split}_labels"]))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file of numpy's format `.npz`.

    Raises:
        DatasetError: If it is another file or damaged, or an array is missing.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        message = f"{str(path)!r} is no whole file of arrays: {error}"
        raise DatasetError(message) from error
