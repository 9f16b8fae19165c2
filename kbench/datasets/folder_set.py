"""Datasets of many small files below one folder, known by their number and one common checksum."""

import hashlib
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from kbench.datasets.dataset import Dataset
from kbench.errors import DatasetError


class FolderSet(Dataset):
    """Base of datasets whose files are too many to be listed.

    Attributes:
        tree: The folder, below the dataset's; with forward slashes.
        num_files: How many files it must hold; None if any number will do.
        tree_md5: What `tree_sum` must be; None where it is not known.
    """

    files = ()
    tree: str
    num_files: ClassVar[int | None] = None
    tree_md5: ClassVar[str | None] = None

    @abstractmethod
    def list_files(self) -> list[Path]:
        """Return the dataset's files that are there, sorted."""

    def missing_files(self) -> list[str]:
        """Return the folder if it is not there or holds none of the dataset's files."""
        return [] if self.list_files() else [self.tree]

    def checksums(self) -> dict[str, str]:
        """Return the checksum of the folder: the known one, else that of what is there."""
        if self.tree_md5 is not None:
            return {self.tree: self.tree_md5}
        return {} if self.missing_files() else {self.tree: self.tree_sum()}

    def tree_sum(self) -> str:
        """Return the MD5 sum of a line `<MD5>  <path below the folder>` for every file, sorted."""
        paths = self.list_files()
        base = self.folder / self.tree
        lines = (
            f"{md5}  {path.relative_to(base).as_posix()}\n"
            for path, md5 in zip(paths, self._sums(paths), strict=True)
        )
        return hashlib.md5("".join(lines).encode(), usedforsecurity=False).hexdigest()

    def verify(self) -> None:
        """Check that the folder is there, with as many files as it must have, unchanged.

        Raises:
            DatasetError: Names what is missing or differs.
        """
        place = str(self.folder / self.tree)
        count = len(self.list_files())
        if count == 0:
            message = f"dataset {self.name!r}: no files in {place!r}; {self.advice}"
            raise DatasetError(message)
        if self.num_files is not None and count != self.num_files:
            message = (
                f"dataset {self.name!r}: {place!r} holds {count} files, expected "
                f"{self.num_files}; delete it and {self.advice}"
            )
            raise DatasetError(message)
        if self.tree_md5 is not None and (found := self.tree_sum()) != self.tree_md5:
            message = (
                f"dataset {self.name!r}: the files of {place!r} have the common md5 {found}, "
                f"expected {self.tree_md5}; delete it and {self.advice}"
            )
            raise DatasetError(message)
