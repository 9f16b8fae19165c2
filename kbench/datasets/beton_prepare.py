"""Write the betons of a dataset: whole or not at all, one process at a time."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from kbench.datasets.beton import (
    beton_path,
    check_beton,
    check_storable,
    describe_origin,
    digest,
    import_ffcv,
    sidecar_path,
)
from kbench.datasets.checksum import find_crc32
from kbench.datasets.dataset import Dataset
from kbench.datasets.lock import hold_lock
from kbench.environment import describe_environment
from kbench.errors import DatasetError
from kbench.files import write_json
from kbench.storage import Storage


@dataclass(frozen=True)
class Prepared:
    """A beton that is there now.

    Attributes:
        path: Where it is.
        num_samples: Its samples.
        size_mib: Its size.
        written_s: Seconds that writing took; None if it was there already.
    """

    path: Path
    num_samples: int
    size_mib: float
    written_s: float | None


def prepare_betons(
    dataset: Dataset,
    storage: Storage | None = None,
    *,
    splits: Iterable[str] = (),
    num_workers: int = 1,
    progress: bool = False,
) -> list[Prepared]:
    """Write the betons that are missing, damaged or made from other data.

    A run that was interrupted is gone on with. Where writing fails, nothing is left.

    Args:
        dataset: Where the samples come from.
        storage: What becomes of pictures; None for the defaults.
        splits: Names of the splits; none for all.
        num_workers: Threads that decode and compress.
        progress: Show a progress bar on stderr.

    Raises:
        DatasetError: If ffcv or data is missing, a picture is damaged, nothing can be written, or
            another process prepares the same.
        UnsupportedError: If betons cannot hold these samples.
    """
    check_storable(dataset)
    import_ffcv()
    chosen = storage or Storage()
    return [
        _prepare(dataset, split, chosen, num_workers, progress=progress)
        for split in splits or dataset.split_sizes
    ]


def _prepare(
    dataset: Dataset, split: str, storage: Storage, num_workers: int, *, progress: bool
) -> Prepared:
    path = beton_path(dataset, split, storage)
    started = time.perf_counter()
    written_s = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with hold_lock(path.with_name(f"{path.name}.lock"), f"beton {path.name!r}"):
            if not _is_current(dataset, split, storage):
                _write(dataset, split, storage, num_workers, progress=progress)
                written_s = time.perf_counter() - started
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"dataset {dataset.name!r}: cannot write beton {str(path)!r}: {reason}"
        raise DatasetError(message) from error
    return Prepared(path, dataset.split_sizes[split], path.stat().st_size / 2**20, written_s)


def _is_current(dataset: Dataset, split: str, storage: Storage) -> bool:
    try:
        check_beton(dataset, split, storage)
    except DatasetError:
        return False
    return True


def _write(
    dataset: Dataset, split: str, storage: Storage, num_workers: int, *, progress: bool
) -> None:
    """Write a beton, then what says that it is whole."""
    from kbench.datasets.beton_file import BetonFile
    from kbench.datasets.beton_samples import encode_samples, find_fields, find_page_size

    path = beton_path(dataset, split, storage)
    origin = describe_origin(dataset, split, storage)
    samples = dataset.load(split)
    total = len(samples)
    file = BetonFile(path, digest(origin), find_fields(samples), total, find_page_size(storage))
    try:
        with file:
            encoded = track(
                encode_samples(samples, storage, file.count, num_workers),
                description=path.name,
                total=total,
                completed=file.count,
                console=Console(stderr=True),
                disable=not progress,
            )
            for sample in encoded:
                file.add(sample.metadata, sample.data)
            file.finish()
    except OSError:
        file.discard()
        raise
    versions = describe_environment()["versions"]
    sidecar = {"crc32": find_crc32(path), "origin": origin, "versions": versions}
    write_json(sidecar_path(path), sidecar)
