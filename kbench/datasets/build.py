"""Datasets by name."""

from pathlib import Path

from kbench.datasets.dataset import Dataset
from kbench.machine import data_root
from kbench.registry import DATASETS


def build_dataset(
    name: str, root: Path | None = None, **options: bool | float | str | None
) -> Dataset:
    """Build one dataset by name; no data is read.

    Args:
        name: A name of `kbench.registry.DATASETS`.
        root: Folder with the data in torchvision's layout; None for `data_root()`.
        options: The dataset's options.

    Raises:
        UnknownNameError: If there is no such dataset or option.
        ValueError: If an option is out of range.
    """
    DATASETS.check_options(name, options)
    return DATASETS[name](data_root() if root is None else root, **options)
