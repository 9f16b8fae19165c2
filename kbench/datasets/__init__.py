"""Datasets, one source per file.

A dataset is a class `(root: Path, *, options)` derived from `kbench.datasets.dataset.Dataset`: what
it is (classes, shapes, sizes, statistics) is known without data, `load(split)` reads and verifies.
"""

from pathlib import Path

from kbench.datasets import cifar10 as cifar10
from kbench.datasets import cifar100 as cifar100
from kbench.datasets import digits as digits
from kbench.datasets import fashion_mnist as fashion_mnist
from kbench.datasets import mnist as mnist
from kbench.datasets import svhn as svhn
from kbench.datasets.dataset import Dataset
from kbench.machine import data_root as data_root
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
