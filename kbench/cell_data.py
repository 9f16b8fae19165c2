"""The images of a cell: its splits behind the loader of its recipe."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from kbench.cell import Cell
from kbench.datasets import build_dataset
from kbench.datasets.beton import check_beton
from kbench.datasets.dataset import Dataset
from kbench.datasets.normalisation import Normalisation, find_normalisation
from kbench.loaders import find_loader
from kbench.loaders.batch import HeldOut, Loader, Source
from kbench.loaders.repeated import RepeatedLoader
from kbench.loaders.share import WHOLE, Share
from kbench.recipe import Recipe


@dataclass(frozen=True)
class CellData:
    """Loaders of a cell, and what its record says of their source.

    Attributes:
        train: Training samples, shuffled and augmented.
        test: Test split, in its order and without augmentation.
        validation: Validation samples, likewise; None if there are none.
        statistics: What the inputs were normalised by.
        dataset: Where they come from.
    """

    train: Loader
    test: Loader
    validation: Loader | None
    statistics: Normalisation
    dataset: Dataset


def load_data(cell: Cell, root: Path, device: torch.device, share: Share = WHOLE) -> CellData:
    """Load the splits of a cell, of the training batches the process's share.

    Raises:
        DatasetError: If a file is missing or damaged, or the cell's limit exceeds a split.
    """
    recipe, limit = cell.recipe, cell.limit
    dataset = build_dataset(cell.dataset.name, root, **cell.dataset.options)
    statistics = find_normalisation(recipe.normalisation, dataset)
    make_loader = partial(
        find_loader(recipe.loader, recipe.storage),
        mean=statistics.mean,
        std=statistics.std,
        seed=cell.seed,
        device=device,
        channels_last=recipe.channels_last,
    )
    evaluated = partial(
        make_loader,
        batch_size=recipe.eval_batch_size,
        augmentation=recipe.augmentation.for_test(),
        shuffle=False,
    )
    train, validation = divide_training(recipe, dataset, limit.train)
    samples = make_loader(
        replace(train, share=share),
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        shuffle=True,
        drop_last=recipe.drop_last,
    )
    return CellData(
        train=RepeatedLoader(samples, recipe.steps_per_epoch)
        if recipe.steps_per_epoch
        else samples,
        test=evaluated(Source(dataset, "test", limit.test)),
        validation=evaluated(validation) if validation else None,
        statistics=statistics,
        dataset=dataset,
    )


def check_data(cell: Cell, root: Path) -> None:
    """Check that a cell's data is there, unchanged, and what its recipe can take.

    Raises:
        DatasetError: If a file is missing or damaged.
        UnsupportedError: If the recipe's statistics are not for the dataset's images.
    """
    dataset = build_dataset(cell.dataset.name, root, **cell.dataset.options)
    find_normalisation(cell.recipe.normalisation, dataset)
    dataset.verify()
    if cell.recipe.loader == "ffcv":
        for split in ("train", "test"):
            check_beton(dataset, split, cell.recipe.storage)


def divide_training(
    recipe: Recipe, dataset: Dataset, limit: int | None
) -> tuple[Source, Source | None]:
    """Return the sources of training and of validation.

    Validation is the dataset's own split, if it has one, else what the recipe holds out.
    """
    train = Source(dataset, "train", limit)
    if "val" in dataset.split_sizes:
        return train, Source(dataset, "val")
    if not recipe.held_out:
        return train, None
    rest, held = (HeldOut(recipe.held_out, recipe.held_out_seed, part) for part in (True, False))
    return replace(train, held_out=rest), replace(train, held_out=held)
