"""The images of a cell: its splits behind the loader of its recipe."""

from dataclasses import dataclass
from pathlib import Path

import torch

from kbench.cell import Cell
from kbench.datasets import build_dataset
from kbench.datasets.normalisation import Normalisation, find_normalisation
from kbench.loaders import find_loader
from kbench.loaders.batch import Loader
from kbench.recipe import Augmentation


@dataclass(frozen=True)
class CellData:
    """Loaders of a cell, and what its record says of their source.

    Attributes:
        train: Training split, shuffled and augmented.
        test: Test split, in its order and without augmentation.
        statistics: What the inputs were normalised by.
        num_classes: Classes of the targets.
        checksums: Checksum of every file that the dataset consists of.
    """

    train: Loader
    test: Loader
    statistics: Normalisation
    num_classes: int
    checksums: dict[str, str]


def load_data(cell: Cell, root: Path, device: torch.device) -> CellData:
    """Load the splits of a cell.

    Raises:
        DatasetError: If a file is missing or damaged, or the cell's limit exceeds a split.
    """
    recipe = cell.recipe
    dataset = build_dataset(cell.dataset.name, root, **cell.dataset.options)
    statistics = find_normalisation(recipe.normalisation, dataset)
    make_loader = find_loader(recipe.loader)
    train = make_loader(
        dataset.load("train").first(cell.limit.train),
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        mean=statistics.mean,
        std=statistics.std,
        seed=cell.seed,
        shuffle=True,
        drop_last=recipe.drop_last,
        device=device,
        channels_last=recipe.channels_last,
    )
    test = make_loader(
        dataset.load("test").first(cell.limit.test),
        batch_size=recipe.eval_batch_size,
        augmentation=Augmentation(),
        mean=statistics.mean,
        std=statistics.std,
        seed=cell.seed,
        shuffle=False,
        device=device,
        channels_last=recipe.channels_last,
    )
    return CellData(train, test, statistics, dataset.num_classes, dataset.checksums())
