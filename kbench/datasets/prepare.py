"""Bring the files of a dataset to where they belong, from what is there or from the network."""

import gzip
import posixpath
import shutil
import tarfile
import zlib
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import torch.hub

from kbench.datasets.checksum import file_md5
from kbench.datasets.dataset import Archive, Dataset
from kbench.datasets.lock import hold_lock
from kbench.errors import DatasetError

TARS = (".tar", ".tar.gz", ".tgz")
# What unpacking may raise for an archive that is cut or is none.
DAMAGE = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)
CHUNK = 2**20


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
    if not all((dataset.folder / place).exists() for _, place in archive.places):
        return False
    sums = dataset.checksums() if archive.members else {}
    return all(_matches(dataset.folder / path, sums.get(path)) for path in archive.members)


def _matches(path: Path, md5: str | None) -> bool:
    return path.is_file() and (md5 is None or file_md5(path) == md5)


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
    if not path.name.endswith((*TARS, ".gz")):
        return
    with TemporaryDirectory(prefix=".kbench-", dir=dataset.folder) as folder:
        try:
            _unpack(path, archive, Path(folder))
        except DAMAGE as error:
            message = (
                f"dataset {dataset.name!r}: {str(path)!r} cannot be unpacked: {error}; "
                f"delete it and {dataset.advice}"
            )
            raise DatasetError(message) from error
        _check_unpacked(dataset, archive, Path(folder))
        for source, place in _targets(archive):
            _move(Path(folder) / source, dataset.folder / place)


def _targets(archive: Archive) -> list[tuple[str, str]]:
    """Return every path in an archive that is wanted, with its place in the dataset's folder."""
    return [*((member, member) for member in archive.members), *archive.places]


def _check_unpacked(dataset: Dataset, archive: Archive, folder: Path) -> None:
    for source, _ in _targets(archive):
        if not (folder / source).exists():
            path = str(dataset.folder / archive.path)
            message = (
                f"dataset {dataset.name!r}: {path!r} holds no {source!r}; "
                f"delete it and {dataset.advice}"
            )
            raise DatasetError(message)


def _move(source: Path, place: Path) -> None:
    """Move what is unpacked; a folder that is there keeps whatever else it holds."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and place.is_dir():
        for path in sorted(source.iterdir()):
            _move(path, place / path.name)
    else:
        source.replace(place)


def _unpack(path: Path, archive: Archive, folder: Path) -> None:
    """Unpack what is wanted of an archive below an empty folder."""
    if path.name.endswith(TARS):
        _unpack_tar(path, {source for source, _ in _targets(archive)}, folder)
        return
    place = folder / archive.members[0]
    place.parent.mkdir(parents=True)
    with gzip.open(path) as packed, place.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


def _unpack_tar(path: Path, wanted: set[str], folder: Path) -> None:
    opener = open if path.name.endswith(".tar") else gzip.open
    with opener(path, "rb") as file:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                member.name = posixpath.normpath(member.name)  # some begin with `./`
                parents = map(str, PurePosixPath(member.name).parents)
                if member.name in wanted or not wanted.isdisjoint(parents):
                    tar.extract(member, folder, filter="data")
        # Only whoever reads to the end learns whether gzip's own checksum is right.
        while file.read(CHUNK):
            pass


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
        if archive.md5 in (None, found):
            partial.replace(path)
            return
        partial.unlink()
        failures.append(f"{url}: md5 is {found}, expected {archive.md5}")
    message = f"dataset {name!r}: cannot download {path.name!r} to {str(path.parent)!r}: "
    raise DatasetError(message + "; ".join(failures))
