"""Bring the files of a dataset to where they belong, from what is there or from the network."""

import gzip
import shutil
import tarfile
from http.client import HTTPException
from pathlib import Path

import torch.hub

from kbench.datasets.checksum import file_md5
from kbench.datasets.dataset import Archive, Dataset
from kbench.errors import DatasetError


def prepare_dataset(dataset: Dataset, *, download: bool = False, progress: bool = False) -> None:
    """Unpack what is missing or damaged, then verify everything.

    Args:
        dataset: What to prepare.
        download: Fetch archives that are not there; without it, nothing touches the network.
        progress: Show a progress bar on stderr while downloading.

    Raises:
        DatasetError: If a file cannot be fetched or written, is missing or is damaged.
    """
    for archive in dataset.archives:
        if not _is_intact(dataset, archive):
            try:
                _obtain(dataset, archive, download=download, progress=progress)
            except OSError as error:
                folder = str(dataset.folder)
                message = f"dataset {dataset.name!r}: cannot write to {folder!r}: {error}"
                raise DatasetError(message) from error
    dataset.verify()


def _is_intact(dataset: Dataset, archive: Archive) -> bool:
    sums = dataset.checksums()
    return all(_matches(dataset.folder / path, sums[path]) for path in archive.members)


def _matches(path: Path, md5: str) -> bool:
    return path.is_file() and file_md5(path) == md5


def _obtain(dataset: Dataset, archive: Archive, *, download: bool, progress: bool) -> None:
    path = dataset.folder / archive.path
    if not _matches(path, archive.md5):
        if not download:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(dataset.name, archive, path, progress=progress)
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as tar:
            members = [tar.getmember(member) for member in archive.members]
            tar.extractall(dataset.folder, members, filter="data")
    elif path.name.endswith(".gz"):
        with gzip.open(path) as packed, path.with_suffix("").open("wb") as unpacked:
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
