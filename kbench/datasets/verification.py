"""Full check of a dataset: every file is read anew, every picture decoded, every class counted."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from tabulate import tabulate
from torch import Tensor

from kbench.datasets.beton import verify_betons
from kbench.datasets.checksum import file_md5, forget
from kbench.datasets.dataset import Dataset, FileSplit
from kbench.datasets.picture import read_picture
from kbench.datasets.picture_folder import PictureFolder
from kbench.errors import DatasetError
from kbench.machine import count_cores

CHUNK = 1024
SHOWN = 10


@dataclass(frozen=True)
class CheckedSplit:
    """What was found in a split.

    Attributes:
        name: Name of the split.
        size: Number of samples.
        counts: Samples of each class, pixels for segmentation; none for fitting.
    """

    name: str
    size: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Verification:
    """What was found in a dataset that is complete and whole.

    Attributes:
        splits: What is in the splits.
        sums: MD5 sum of every file, or of all pictures of a folder, by path.
        betons: CRC-32 of every beton, by path.
    """

    splits: tuple[CheckedSplit, ...]
    sums: dict[str, str]
    betons: dict[str, str]


def verify_dataset(dataset: Dataset, *, progress: bool = False) -> Verification:
    """Read everything, whatever is remembered of earlier checks.

    Args:
        dataset: What to check.
        progress: Show a progress bar on stderr while pictures are decoded.

    Raises:
        DatasetError: If anything is missing, damaged, too much or too little; names the files.
    """
    try:
        forget([dataset.folder / path for path in dataset.checksums()], dataset.folder)
    except OSError:
        # Data that others have prepared may be read-only, and what they remember with it.
        dataset.memory = None
    try:
        dataset.verify()
    except DatasetError:
        # Damaged pictures say more than another sum of all names and sizes.
        if isinstance(dataset, PictureFolder) and dataset.manifest_sums:
            _refuse_damaged(_check_pictures(dataset.find_pictures()))
        raise
    splits = []
    sums = dataset.checksums()
    for name in dataset.split_sizes:
        found = dataset.load(name)
        splits.append(CheckedSplit(name, len(found), _count(dataset, found.targets)))
        if isinstance(dataset, PictureFolder) and isinstance(found, FileSplit):
            folder = dataset.split_folders[name]
            sums[f"{folder} (content)"] = _check_content(dataset, name, found, progress=progress)
    return Verification(tuple(splits), sums, verify_betons(dataset))


def format_verification(dataset: Dataset, found: Verification) -> str:
    """Return tables of what was found: splits with their class balance, and checksums."""
    unit = "pixels of a class" if dataset.task == "segmentation" else "samples of a class"
    rows = [
        (split.name, f"{split.size:,}", len(split.counts), _balance(dataset, split.counts))
        for split in found.splits
    ]
    tables = [_table(("split", "samples", "classes", unit), rows)]
    if found.sums:
        tables.append(_table(("file", "md5"), list(found.sums.items())))
    if found.betons:
        tables.append(_table(("beton", "crc32"), list(found.betons.items())))
    note = [f"note: {dataset.note}"] if dataset.note else []
    return "\n\n".join([*tables, *note, f"{dataset.name}: complete and verified"])


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)


def _count(dataset: Dataset, targets: Tensor) -> tuple[int, ...]:
    if targets.is_floating_point() or dataset.num_classes == 0:
        return ()
    counts = torch.zeros(dataset.num_classes, dtype=torch.int64)
    for chunk in torch.split(targets, CHUNK):
        labels = chunk.flatten().to(torch.int64)
        labels = labels[labels < dataset.num_classes]
        counts += labels.bincount(minlength=dataset.num_classes)
    return tuple(counts.tolist())


def _balance(dataset: Dataset, counts: Sequence[int]) -> str:
    if not counts:
        return ""
    fewest, most = min(counts), max(counts)
    if fewest == most:
        return f"{most:,} each"
    names = [dataset.class_names[counts.index(count)] for count in (fewest, most)]
    return f"{fewest:,} ({names[0]}) to {most:,} ({names[1]})"


def _check_content(dataset: PictureFolder, name: str, found: FileSplit, *, progress: bool) -> str:
    """Decode all pictures of a split and return the MD5 sum of theirs, sorted by path."""
    folder = dataset.folder / dataset.split_folders[name]
    paths = sorted(found.paths)
    checked = track(
        _check_pictures(paths),
        f"{dataset.name} {name}",
        total=len(paths),
        console=Console(stderr=True),
        disable=not progress,
        transient=True,
    )
    found_sums = list(checked)
    _refuse_damaged(found_sums)
    lines = [
        f"{path.relative_to(folder).as_posix()}\t{md5}\n"
        for path, (md5, _) in zip(paths, found_sums, strict=True)
    ]
    text = "".join(lines).encode(errors="surrogateescape")
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    known = dataset.content_sums.get(name)
    if known is not None and dataset.per_class is None and md5 != known:
        message = (
            f"dataset {dataset.name!r}: the pictures in {str(folder)!r} have md5 {md5}, "
            f"expected {known}; {dataset.advice}"
        )
        raise DatasetError(message)
    return md5


def _refuse_damaged(checked: Iterable[tuple[str, str]]) -> None:
    damaged = [problem for _, problem in checked if problem]
    if damaged:
        more = f"\nand {len(damaged) - SHOWN:,} more" if len(damaged) > SHOWN else ""
        raise DatasetError("\n".join(damaged[:SHOWN]) + more)


def _check_pictures(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the MD5 sum of each picture, and what is wrong with it."""
    with ThreadPoolExecutor(count_cores()) as pool:
        for start in range(0, len(paths), CHUNK):
            yield from pool.map(_check_picture, paths[start : start + CHUNK])


def _check_picture(path: Path) -> tuple[str, str]:
    try:
        read_picture(path)
    except DatasetError as error:
        return "", str(error)
    return file_md5(path), ""
