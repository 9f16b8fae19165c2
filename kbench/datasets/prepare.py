"""Bring the files of a dataset to where they belong, from what is there or from the network."""

import gzip
import shutil
import tarfile
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import torch.hub

from kbench.datasets.checksum import file_md5
from kbench.datasets.dataset import Archive, Dataset
from kbench.datasets.lock import hold_lock
from kbench.errors import DatasetError


def prepare_dataset(dataset: Dataset, *, download: bool = False, progress: bool = False) -> None:
    """Unpack what is missing or damaged, then verify everything.

    Files are unpacked beside their place and moved there when they are whole, so that an
    interruption or a full disk leaves no part of one. Only one process at a time prepares a
    dataset.

    Args:
        dataset: What to prepare.
        download: Fetch archives that are not there; without it, nothing touches the network.
        progress: Show a progress bar on stderr while downloading.

    Raises:
        DatasetError: If a file cannot be fetched or written, is missing or is damaged, or another
            process prepares the dataset.
    """
    wanted = [archive for archive in dataset.archives if not _is_intact(dataset, archive)]
    if not download:
        wanted = [archive for archive in wanted if (dataset.folder / archive.path).is_file()]
    if wanted:
        try:
            _obtain_all(dataset, wanted, download=download, progress=progress)
        except OSError as error:
            folder = str(dataset.folder)
            message = f"dataset {dataset.name!r}: cannot write to {folder!r}: {error}"
            raise DatasetError(message) from error
    dataset.verify()


def _obtain_all(dataset: Dataset, wanted: list[Archive], *, download: bool, progress: bool) -> None:
    dataset.folder.mkdir(parents=True, exist_ok=True)
    lock = dataset.folder / f".kbench-{dataset.name}.lock"
    with hold_lock(lock, f"dataset {dataset.name!r}"):
        for archive in wanted:
            # Who held the lock before may have done it.
            if not _is_intact(dataset, archive):
                _obtain(dataset, archive, download=download, progress=progress)


def _is_intact(dataset: Dataset, archive: Archive) -> bool:
    sums = dataset.checksums()
    return all(_matches(dataset.folder / path, sums.get(path)) for path in archive.members)


def _matches(path: Path, md5: str | None) -> bool:
    return path.is_file() and file_md5(path) == md5


def _obtain(dataset: Dataset, archive: Archive, *, download: bool, progress: bool) -> None:
    path = dataset.folder / archive.path
    if not _matches(path, archive.md5):
        if not download:
            message = (
                f"dataset {dataset.name!r}: {str(path)!r} has md5 {file_md5(path)}, "
                f"expected {archive.md5}; {dataset.advice}"
            )
            raise DatasetError(message)
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(dataset.name, archive, path, progress=progress)
    if path.name.endswith(".gz"):
        with TemporaryDirectory(prefix=".kbench-", dir=dataset.folder) as folder:
            _unpack(path, archive, Path(folder))
            for member in archive.members:
                place = dataset.folder / member
                place.parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / member).replace(place)


def _unpack(path: Path, archive: Archive, folder: Path) -> None:
    """Unpack the members of an archive below an empty folder."""
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as tar:
            members = [tar.getmember(member) for member in archive.members]
            tar.extractall(folder, members, filter="data")
        return
    place = folder / archive.members[0]
    place.parent.mkdir(parents=True)
    with gzip.open(path) as packed, place.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


def _download(name: str, archive: Archive, path: Path, *, progress: bool) -> None:
    """Fetch an archive from the first address that gives the right one."""
    partial = path.with_name(f"{path.name}.download")
    failures = []
    for url in archive.urls:
        try:
            torch.hub.download_url_to_file(url, str(partial), progress=progress)
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        found = file_md5(partial)
        if found == archive.md5:
            partial.replace(path)
            return
        partial.unlink()
        failures.append(f"{url}: md5 is {found}, expected {archive.md5}")
    message = f"dataset {name!r}: cannot download {path.name!r} to {str(path.parent)!r}: "
    raise DatasetError(message + "; ".join(failures))
