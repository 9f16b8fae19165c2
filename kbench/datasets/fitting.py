"""Datasets of one picture that a network is to draw.

Shapes: C channels, H and W height and width in pixels.
"""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from kbench.datasets.dataset import DataFile, Dataset, Split

SPLIT_SIZES = {"train": 1, "test": 1}


class FittingDataset(Dataset):
    """Base of all datasets for fitting: one sample, the same in both splits.

    The image is the canvas, (1, C, H, W) of zeros: it tells a network the sides. The target is the
    picture, (1, C, H, W), float32.

    Attributes:
        value_range: Least and largest value that an output can mean; None for any. Signal-to-noise
            ratios are taken of outputs clamped to it.

    Args:
        root: Folder with the data.
        shape: (C, H, W).
    """

    task = "fitting"
    num_classes = 0
    class_names: tuple[str, ...] = ()
    split_sizes: Mapping[str, int] = SPLIT_SIZES
    files: tuple[DataFile, ...] = ()
    value_range: tuple[float, float] | None = None

    def __init__(self, root: Path, shape: tuple[int, int, int]) -> None:
        super().__init__(root)
        self.input_shape = shape
        self.mean, self.std = (0.0,) * shape[0], (1.0,) * shape[0]

    @abstractmethod
    def _picture(self) -> Tensor:
        """Return the picture, (C, H, W), float32."""

    def _read(self, split: str) -> Split:
        del split
        picture = self._picture()[None]  # (1, C, H, W)
        return Split(torch.zeros_like(picture), picture)
