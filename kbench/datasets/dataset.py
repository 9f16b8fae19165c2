"""What a dataset is: splits of images in memory, and the files that they come from.

Shapes: N images of a split, C channels, H and W height and width in pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from kbench.datasets.checksum import find_sums
from kbench.errors import DatasetError


@dataclass(frozen=True, eq=False)
class Split:
    """Images of a split with their targets.

    Attributes:
        images: (N, C, H, W), uint8 in 0 to 255, or float32 in 0 to 1 where 8 bits are not exact.
        targets: (N,), int64 class numbers.
    """

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, count: int | None) -> "Split":
        """Return the first `count` images, all for None.

        Raises:
            DatasetError: If the split has fewer images.
        """
        if count is None:
            return self
        if not 1 <= count <= len(self):
            message = f"limit (={count}) must be 1 to {len(self)}, the images of the split"
            raise DatasetError(message)
        return Split(self.images[:count], self.targets[:count])


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset.

    Attributes:
        path: Path below the dataset's folder, with forward slashes.
        md5: Its MD5 sum, in hexadecimal.
    """

    path: str
    md5: str


@dataclass(frozen=True)
class Archive:
    """A file as it is published, `.tar.gz`, `.gz` or not packed at all.

    Attributes:
        path: Where the download lands below the dataset's folder.
        md5: Its MD5 sum, in hexadecimal.
        urls: Addresses, tried in order.
        members: Paths of the dataset's files that it holds; `path` itself if it is not packed.
    """

    path: str
    md5: str
    urls: tuple[str, ...]
    members: tuple[str, ...]


class Dataset(ABC):
    """Base of all datasets; all but `verify` and `load` works without data.

    Attributes:
        name: Name in the registry.
        num_classes: Number of classes.
        class_names: Their names, in the order of the class numbers.
        split_sizes: N of every split.
        files: What has to be on disk.
        archives: Where the files come from.
        mean: Channel means of the training split, of pixels in 0 to 1.
        std: Channel standard deviations, likewise.
        input_shape: (C, H, W) of an image.
        folder: Where the paths of the files start.

    Args:
        root: Folder with the data in torchvision's layout.
    """

    name: ClassVar[str]
    num_classes: ClassVar[int]
    class_names: ClassVar[tuple[str, ...]]
    split_sizes: ClassVar[Mapping[str, int]]
    files: ClassVar[tuple[DataFile, ...]]
    archives: ClassVar[tuple[Archive, ...]] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_shape: tuple[int, int, int]

    def __init__(self, root: Path) -> None:
        self.folder = root

    @property
    def summary(self) -> str:
        """Return the first line of the class's docstring."""
        return (type(self).__doc__ or "").partition("\n")[0]

    @property
    def remedy(self) -> str:
        """Return the command that brings the files back."""
        return f"kbench data prepare {self.name} --download"

    def checksums(self) -> dict[str, str]:
        """Return the MD5 sum that each file must have, by path."""
        return {file.path: file.md5 for file in self.files}

    def missing_files(self) -> list[str]:
        """Return the paths of the files that are not there."""
        return [file.path for file in self.files if not (self.folder / file.path).is_file()]

    def verify(self) -> None:
        """Check that every file is there and unchanged; each is read once, then remembered.

        Raises:
            DatasetError: Names the first file that is missing or has another checksum.
        """
        missing = self.missing_files()
        if missing:
            message = (
                f"dataset {self.name!r}: no file {missing[0]!r} in {str(self.folder)!r}; "
                f"get it with: {self.remedy}"
            )
            raise DatasetError(message)
        sums = self._sums([self.folder / file.path for file in self.files])
        for file, found in zip(self.files, sums, strict=True):
            if found != file.md5:
                message = (
                    f"dataset {self.name!r}: {str(self.folder / file.path)!r} has md5 {found}, "
                    f"expected {file.md5}; delete it and run: {self.remedy}"
                )
                raise DatasetError(message)

    def load(self, split: str) -> Split:
        """Return a split, verified.

        Args:
            split: A key of `split_sizes`.

        Raises:
            DatasetError: As `verify`, or if there is no such split.
        """
        if split not in self.split_sizes:
            known = ", ".join(self.split_sizes)
            message = f"dataset {self.name!r} has no split {split!r}; it has: {known}"
            raise DatasetError(message)
        self.verify()
        return self._read(split)

    @abstractmethod
    def _read(self, split: str) -> Split:
        """Read one split from verified files."""

    def _sums(self, paths: list[Path]) -> list[str]:
        return find_sums(paths, self.folder)
