"""Datasets of measured time series, as FlexConv splits and normalises them.

Shapes: N series of a split, M of the whole set, C channels, T time steps.
"""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbench.datasets.dataset import Dataset, Split
from kbench.errors import DatasetError

EPSILON = 1e-5


class SeriesDataset(Dataset):
    """Base of datasets that come as one set and are split here, 70 / 15 / 15 percent.

    Splits are stratified by class, with the seeds 0 and 1 (FlexConv, section 6). Values are
    normalised for each time step: the mean over samples and channels of the training split is
    subtracted, and the result divided by their standard deviation plus 1e-5. So `mean` is 0 and
    `std` is 1 for whoever loads them.

    Args:
        root: Folder with the data.
        shape: (C, T) of a series.
        count: M.

    Raises:
        DatasetError: On loading, if the set has another number of series.
    """

    def __init__(self, root: Path, shape: tuple[int, int], count: int) -> None:
        super().__init__(root)
        self.input_shape = shape
        self.mean, self.std = (0.0,) * shape[0], (1.0,) * shape[0]
        self.count = count
        train = count * 7 // 10
        val = (count - train) // 2
        self.split_sizes = {"train": train, "val": val, "test": count - train - val}

    @abstractmethod
    def _read_whole(self) -> Split:
        """Read all series, (M, C, T), float32, or int16 in units of 1 / 2^15."""

    @cached_property
    def _whole(self) -> Split:
        whole = self._read_whole()
        if len(whole) != self.count:
            message = f"dataset {self.name!r}: {len(whole):,} series, expected {self.count:,}"
            raise DatasetError(message)
        return whole

    @cached_property
    def _places(self) -> dict[str, NDArray[np.int64]]:
        return split_stratified(self._whole.targets.numpy())

    @cached_property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        return step_statistics(self._take("train"))

    def _read(self, split: str) -> Split:
        mean, std = self._statistics
        values = self._take(split).sub_(mean).div_(std + EPSILON)
        return Split(values, self._whole.targets[self._places[split]])

    def _take(self, split: str) -> Tensor:
        """Return the series of a split as they are, a copy, float32."""
        values = self._whole.images[self._places[split]]
        is_integer = values.dtype == torch.int16
        return values.to(torch.float32).div_(2**15) if is_integer else values


def split_stratified(targets: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the places of each split, from the classes (M,) of the whole set."""
    # Importing scikit-learn takes longer than a short training.
    from sklearn.model_selection import train_test_split

    places = np.arange(len(targets))
    train, rest = train_test_split(places, train_size=0.7, random_state=0, stratify=targets)
    val, test = train_test_split(rest, train_size=0.5, random_state=1, stratify=targets[rest])
    return {"train": train, "val": val, "test": test}


def step_statistics(series: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and unbiased standard deviation of each step, (T,), of series (N, C, T)."""
    std, mean = torch.std_mean(series, dim=(0, 1))
    return mean, std
