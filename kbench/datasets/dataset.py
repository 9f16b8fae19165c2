"""What a dataset is: its splits, in memory or as picture files, and the files they come from.

Shapes: N samples of a split, C channels, S the spatial sides: (H, W) of images in pixels, (T,) of
sequences in samples.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbench.datasets.checksum import find_sums
from kbench.errors import DatasetError


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of a split with their targets, in memory.

    Attributes:
        images: (N, C, *S), uint8 in 0 to 255, or float32 (images: in 0 to 1) where 8 bits are not
            exact.
        targets: (N,), int64 class numbers; (N, H, W), int64, for segmentation; (N, C', *S),
            float32, for fitting.
    """

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, count: int | None) -> "Split":
        """Return the first `count` samples, all for None.

        Raises:
            DatasetError: If the split has fewer samples.
        """
        count = check_count(count, len(self))
        return Split(self.images[:count], self.targets[:count])

    def take(self, places: NDArray[np.int64]) -> "Split":
        """Return the samples at some places."""
        chosen = torch.from_numpy(places)
        return Split(self.images[chosen], self.targets[chosen])


@dataclass(frozen=True, eq=False)
class FileSplit:
    """Pictures of a split as files, of any size, for what does not fit in memory.

    Attributes:
        paths: N picture files.
        targets: (N,), int64 class numbers.
    """

    paths: tuple[Path, ...]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, count: int | None) -> "FileSplit":
        """Return the first `count` pictures, all for None.

        Raises:
            DatasetError: If the split has fewer pictures.
        """
        count = check_count(count, len(self))
        return FileSplit(self.paths[:count], self.targets[:count])

    def take(self, places: NDArray[np.int64]) -> "FileSplit":
        """Return the pictures at some places."""
        paths = tuple(self.paths[place] for place in places)
        return FileSplit(paths, self.targets[torch.from_numpy(places)])


def check_count(count: int | None, available: int) -> int:
    """Return how many samples a limit leaves of a split; None is all of them.

    Raises:
        DatasetError: Names the limit and what the split has.
    """
    if count is not None and not 1 <= count <= available:
        message = f"limit (={count}) must be 1 to {available}, the images of the split"
        raise DatasetError(message)
    return available if count is None else count


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset.

    Attributes:
        path: Path below the dataset's folder, with forward slashes.
        md5: Its MD5 sum, in hexadecimal; None where none is published.
    """

    path: str
    md5: str | None


@dataclass(frozen=True)
class Archive:
    """A file as it is published, `.tar`, `.tar.gz`, `.tgz`, `.gz` or not packed at all.

    Attributes:
        path: Where the download lands below the dataset's folder.
        md5: Its MD5 sum, in hexadecimal; None where none is published.
        urls: Addresses, tried in order.
        members: Paths of the dataset's files that it holds; `path` itself if it is not packed.
        places: Files and folders in it that are too many to be members, and where they belong
            below the dataset's folder; moved there in this order, so that the last are there only
            if all are.
    """

    path: str
    md5: str | None
    urls: tuple[str, ...]
    members: tuple[str, ...] = ()
    places: tuple[tuple[str, str], ...] = ()


class Dataset(ABC):
    """Base of all datasets; all but `verify` and `load` works without data.

    Attributes:
        name: Name in the registry.
        task: What can be learned from it: `classification`, `segmentation` or `fitting`.
        num_classes: Number of classes; 0 for fitting.
        class_names: Their names, in the order of the class numbers.
        split_sizes: N of every split.
        files: What has to be on disk.
        archives: Where the files come from.
        mean: Channel means of the training split, of pixels in 0 to 1.
        std: Channel standard deviations, likewise.
        input_shape: (C, *S) of a sample; of pictures of any size, what a recipe makes of them by
            default.
        is_file_backed: Whether `load` gives a `FileSplit`.
        note: What tables have to say about it, such as that it is a subset; a literal, so that it
            can be read without torch.
        folder: Where the paths of the files start.
        memory: Folder in which checksums are remembered; None to find them out every time.

    Args:
        root: Folder with the data in torchvision's layout.
    """

    name: ClassVar[str]
    task: ClassVar[str] = "classification"
    num_classes: int
    class_names: tuple[str, ...]
    split_sizes: Mapping[str, int]
    files: tuple[DataFile, ...]
    archives: tuple[Archive, ...] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_shape: tuple[int, ...]
    is_file_backed: ClassVar[bool] = False
    note: ClassVar[str] = ""

    def __init__(self, root: Path) -> None:
        self.folder = root
        self.memory: Path | None = root

    @property
    def summary(self) -> str:
        """Return the first line of the class's docstring."""
        return (type(self).__doc__ or "").partition("\n")[0]

    @property
    def remedy(self) -> str:
        """Return the command that brings the files back."""
        return f"kbench data prepare {self.name} --download"

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        return f"get it with: {self.remedy}"

    def checksums(self) -> dict[str, str]:
        """Return the MD5 sum that each file must have, by path.

        Where none is published, it is the sum that the file has; a missing file is left out.
        """
        unknown = [file.path for file in self.files if file.md5 is None]
        present = [path for path in unknown if (self.folder / path).is_file()]
        found = self._sums([self.folder / path for path in present])
        known = {file.path: file.md5 for file in self.files if file.md5 is not None}
        return known | dict(zip(present, found, strict=True))

    def missing_files(self) -> list[str]:
        """Return the paths of the files that are not there."""
        return [file.path for file in self.files if not (self.folder / file.path).is_file()]

    @property
    def num_expected(self) -> int:
        """Return the most paths that `missing_files` may return."""
        return len(self.files)

    def verify(self) -> None:
        """Check that every file is there and unchanged; each is read once, then remembered.

        Raises:
            DatasetError: Names the first file that is missing or has another checksum.
        """
        missing = self.missing_files()
        if missing:
            message = (
                f"dataset {self.name!r}: no file {missing[0]!r} in {str(self.folder)!r}; "
                f"{self.advice}"
            )
            raise DatasetError(message)
        sums = self._sums([self.folder / file.path for file in self.files])
        for file, found in zip(self.files, sums, strict=True):
            if file.md5 is not None and found != file.md5:
                message = (
                    f"dataset {self.name!r}: {str(self.folder / file.path)!r} has md5 {found}, "
                    f"expected {file.md5}; delete it and {self.advice}"
                )
                raise DatasetError(message)

    def load(self, split: str, limit: int | None = None) -> Split | FileSplit:
        """Return a split, verified.

        Args:
            split: A key of `split_sizes`.
            limit: How many samples, the first ones; None for all.

        Raises:
            DatasetError: As `verify`; or if there is no such split, it has another number of
                samples than it must have or fewer than the limit, or a class number is wrong.
        """
        if split not in self.split_sizes:
            known = ", ".join(self.split_sizes)
            message = f"dataset {self.name!r} has no split {split!r}; it has: {known}"
            raise DatasetError(message)
        self.verify()
        found = self._read(split)
        self._check(split, found)
        if limit is not None:
            # A copy: a view would keep all of the split in memory.
            found = found.take(np.arange(check_count(limit, len(found))))
        return self._convert(found) if isinstance(found, Split) else found

    def complete(self, inputs: Tensor) -> Tensor:
        """Return what a network sees of a normalised batch (B, C, *S): nothing else, by default.

        Loaders call it on every batch, for what all samples share and a split need not repeat.
        """
        return inputs

    @abstractmethod
    def _read(self, split: str) -> Split | FileSplit:
        """Read one split from verified files."""

    def _convert(self, found: Split) -> Split:
        """Return samples as options of the dataset want them; only what a limit has left."""
        return found

    def _check(self, split: str, found: Split | FileSplit) -> None:
        """Refuse a split of another size, and class numbers that are out of range."""
        if len(found) != self.split_sizes[split]:
            message = (
                f"dataset {self.name!r}: split {split!r} has {len(found):,} samples, "
                f"expected {self.split_sizes[split]:,}"
            )
            raise DatasetError(message)
        if self.task != "classification":
            return
        wrong = ((found.targets < 0) | (found.targets >= self.num_classes)).nonzero()
        if len(wrong):
            place = int(wrong[0])
            message = (
                f"dataset {self.name!r}: split {split!r} has class number "
                f"{int(found.targets[place])} at sample {place}; "
                f"it must be 0 to {self.num_classes - 1}"
            )
            raise DatasetError(message)

    def _sums(self, paths: list[Path]) -> list[str]:
        return find_sums(paths, self.memory)
