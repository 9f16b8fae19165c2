"""Datasets of picture files of any size: a folder for each split, in it a folder for each class."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar, NoReturn

import torch

from kbench.datasets.checksum import Fact, recall
from kbench.datasets.dataset import Dataset, FileSplit
from kbench.datasets.picture import EXTENSIONS
from kbench.errors import DatasetError


@dataclass(frozen=True)
class Listing:
    """Pictures of a split that are on disk.

    Attributes:
        names: Of each class, the paths of its pictures below the split's folder, in the order of
            torchvision's `ImageFolder`.
        mtime_ns: Sum of the times of change of all folders, in nanoseconds.
    """

    names: tuple[tuple[str, ...], ...]
    mtime_ns: int

    def __len__(self) -> int:
        return sum(map(len, self.names))


def list_pictures(folder: Path, classes: Sequence[str]) -> Listing:
    """Return the pictures of some class folders, those of subfolders too.

    Raises:
        OSError: If a folder cannot be read.
    """
    found = [_list_class(folder, name) for name in classes]
    return Listing(tuple(names for names, _ in found), sum(mtime_ns for _, mtime_ns in found))


def _list_class(folder: Path, name: str) -> tuple[tuple[str, ...], int]:
    names: list[str] = []
    mtime_ns = 0
    for place, _, files in sorted(os.walk(folder / name, onerror=_refuse, followlinks=True)):
        below = os.path.relpath(place, folder)
        mtime_ns += Path(place).stat().st_mtime_ns
        names += [f"{below}/{file}" for file in sorted(files) if file.lower().endswith(EXTENSIONS)]
    return tuple(names), mtime_ns


def _refuse(error: OSError) -> None:
    raise error


class PictureFolder(Dataset):
    """Base of datasets in torchvision's `ImageFolder` layout; class numbers follow `class_folders`.

    A split begins with the first picture of every class, then come all second ones, and so on:
    its first pictures, which a limit leaves, are balanced. Within a class they are sorted by name.

    Nobody publishes a checksum for every picture, and to read a million of them takes hours. So
    `checksums` gives one sum for each split, of the names and sizes of its pictures; it is
    remembered until a folder changes. `kbench data verify` reads and decodes every picture.

    Attributes:
        split_folders: Folder of each split below the dataset's folder.
        class_folders: Names of the class folders.
        total_sizes: Pictures of each split without `per_class`.
        min_class_size: Training pictures of the smallest class; None if unknown.
        manifest_sums: What the sum of a split must be, where it is known.
        content_sums: What the sum of all pictures of a split must be, where it is known.

    Args:
        root: Folder with the data.
        per_class: Use at most so many training pictures of each class, the first by name; None
            for all.

    Raises:
        ValueError: If `per_class` is not 1 to the size of the smallest class.
    """

    is_file_backed = True
    files = ()
    input_shape = (3, 224, 224)
    split_folders: Mapping[str, str]
    class_folders: tuple[str, ...]
    total_sizes: Mapping[str, int]
    min_class_size: ClassVar[int | None] = None
    manifest_sums: ClassVar[Mapping[str, str]] = {}
    content_sums: ClassVar[Mapping[str, str]] = {}

    def __init__(self, root: Path, *, per_class: int | None = None) -> None:
        super().__init__(root)
        most = self.min_class_size
        if per_class is not None and not (per_class >= 1 and (most is None or per_class <= most)):
            allowed = ">= 1" if most is None else f"1 to {most}, the size of the smallest class"
            message = f"per_class (={per_class}) must be {allowed}"
            raise ValueError(message)
        sizes = dict(self.total_sizes)
        if per_class is not None:
            sizes["train"] = per_class * len(self.class_folders)
        self.per_class = per_class
        self.split_sizes = sizes
        self._listings: dict[str, Listing] = {}

    def missing_files(self) -> list[str]:
        """Return the class folders that are not there, of all splits."""
        return [
            f"{below}/{name}"
            for below in self.split_folders.values()
            for name in self.class_folders
            if not (self.folder / below / name).is_dir()
        ]

    @property
    def num_expected(self) -> int:
        """Return how many class folders there should be."""
        return len(self.class_folders) * len(self.split_folders)

    def find_pictures(self) -> list[Path]:
        """Return the pictures of all splits that are there, sorted by split and class."""
        folders = [
            self.folder / below / name
            for below in self.split_folders.values()
            for name in self.class_folders
        ]
        found = (path for folder in folders for path in sorted(folder.rglob("*")))
        return [path for path in found if path.name.lower().endswith(EXTENSIONS)]

    def checksums(self) -> dict[str, str]:
        """Return the sum of names and sizes of each split, by folder.

        It is the known one, else that of what is there; without pictures it is left out.
        """
        missing = self.missing_files()
        sums = {}
        for split, below in self.split_folders.items():
            if split in self.manifest_sums:
                sums[below] = self.manifest_sums[split]
            elif not any(path.startswith(f"{below}/") for path in missing):
                sums[below] = self._manifest_sum(split)
        return sums

    def verify(self) -> None:
        """Check that class folders and the number of pictures are right, and known checksums.

        Raises:
            DatasetError: Names the first folder that is missing, empty or other than expected.
        """
        for split, below in self.split_folders.items():
            self._check_folders(below)
            listing = self._listing(split)
            for name, pictures in zip(self.class_folders, listing.names, strict=True):
                if not pictures:
                    self._fail(f"class folder {str(self.folder / below / name)!r} has no picture")
            expected = self.total_sizes[split]
            if len(listing) != expected:
                self._fail(
                    f"{str(self.folder / below)!r} has {len(listing):,} pictures, "
                    f"expected {expected:,}"
                )
            known = self.manifest_sums.get(split)
            if known is not None and (found := self._manifest_sum(split)) != known:
                self._fail(
                    f"names and sizes of the pictures in {str(self.folder / below)!r} "
                    f"have md5 {found}, expected {known}"
                )

    def _fail(self, finding: str) -> NoReturn:
        message = f"dataset {self.name!r}: {finding}; {self.advice}"
        raise DatasetError(message)

    def _check_folders(self, below: str) -> None:
        folder = self.folder / below
        if not folder.is_dir():
            self._fail(f"no folder {str(folder)!r}")
        missing = [name for name in self.class_folders if not (folder / name).is_dir()]
        if missing:
            self._fail(
                f"no class folder {missing[0]!r} in {str(folder)!r}, "
                f"{len(missing):,} of {len(self.class_folders):,} are missing"
            )

    def _listing(self, split: str) -> Listing:
        """Return what is on disk, looked at once."""
        if split not in self._listings:
            folder = self.folder / self.split_folders[split]
            try:
                self._listings[split] = list_pictures(folder, self.class_folders)
            except OSError as error:
                self._fail(f"{str(folder)!r} cannot be read: {error}")
        return self._listings[split]

    def _manifest_sum(self, split: str) -> str:
        listing = self._listing(split)
        folder = self.folder / self.split_folders[split]
        key = f"{folder.resolve()} {_md5('/'.join(self.class_folders))}"
        fact = Fact(len(listing), listing.mtime_ns, partial(manifest_sum, folder, listing))
        try:
            return recall({key: fact}, self.memory)[key]
        except OSError as error:
            self._fail(f"a picture cannot be read: {error}")

    def _read(self, split: str) -> FileSplit:
        folder = self.folder / self.split_folders[split]
        most = self.per_class if split == "train" else None
        rows = zip_longest(*(names[:most] for names in self._listing(split).names))
        chosen = [
            (name, label) for row in rows for label, name in enumerate(row) if name is not None
        ]
        targets = torch.tensor([label for _, label in chosen], dtype=torch.int64)
        return FileSplit(tuple(folder / name for name, _ in chosen), targets)


def manifest_sum(folder: Path, listing: Listing) -> str:
    """Return the MD5 sum of a line `<path><tab><size in bytes>` for every picture.

    Args:
        folder: Where the paths of the listing start.
        listing: The pictures, in the order of the lines.

    Raises:
        OSError: If a picture is gone.
    """
    lines = (
        f"{name}\t{(folder / name).stat().st_size}\n" for names in listing.names for name in names
    )
    return _md5("".join(lines))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
