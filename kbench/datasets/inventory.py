"""All datasets: what they are, and what of them is on disk."""

from pathlib import Path

from tabulate import tabulate

from kbench.datasets.dataset import Dataset
from kbench.errors import DatasetError
from kbench.machine import DATA_VARIABLE
from kbench.registry import DATASETS

HEADERS = ("dataset", "task", "classes", "shape", "splits", "on disk", "elsewhere", "note")
FOLDER_WIDTH, NOTE_WIDTH = 30, 44


def format_inventory(root: Path) -> str:
    """Return a line for every dataset; nothing is read but the names of files."""
    rows = [_row(name, root) for name in DATASETS]
    widths = [None] * (len(HEADERS) - 2) + [FOLDER_WIDTH, NOTE_WIDTH]
    table = tabulate(rows, HEADERS, tablefmt="simple", disable_numparse=True, maxcolwidths=widths)
    return f"data folder: {root.resolve()} ({DATA_VARIABLE})\n\n{table}"


def find_state(dataset: Dataset) -> str:
    """Return `complete`, `missing` or how much of it is there; contents are not looked at."""
    missing, expected = len(dataset.missing_files()), dataset.num_expected
    if missing == 0:
        return "complete"
    return "missing" if missing >= expected else f"{expected - missing:,} of {expected:,}"


def _row(name: str, root: Path) -> tuple[str, ...]:
    kind = DATASETS[name]
    try:
        dataset = kind(root)
    except DatasetError:
        return name, getattr(kind, "task", ""), "", "", "", "missing", "", getattr(kind, "note", "")
    splits = ", ".join(f"{split} {size:,}" for split, size in dataset.split_sizes.items())
    shape = "x".join(map(str, dataset.input_shape))
    classes = str(dataset.num_classes or "")
    folder = "" if dataset.folder == root else str(dataset.folder)
    return name, dataset.task, classes, shape, splits, find_state(dataset), folder, dataset.note
