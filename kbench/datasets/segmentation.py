"""Datasets of pictures with a class for every pixel.

Shapes: N pictures of a split, K classes, H and W height and width in pixels.
"""

from pathlib import Path

import torch
from torch import Tensor

from kbench.datasets.dataset import Dataset

IGNORED = 255
CHUNK = 64


class SegmentationDataset(Dataset):
    """Base of all datasets for segmentation.

    Targets are (N, H, W), uint8 class numbers; `IGNORED` marks pixels without a class, which count
    neither in the loss nor in a metric.

    Attributes:
        scored_classes: Classes that the mean intersection over union is taken over.
    """

    task = "segmentation"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._weights: Tensor | None = None

    @property
    def scored_classes(self) -> tuple[int, ...]:
        """Return the classes that the mean intersection over union is taken over: all."""
        return tuple(range(self.num_classes))

    def class_weights(self) -> Tensor:
        """Return the weight of each class in the loss, (K,) float32, from the training masks.

        Raises:
            DatasetError: As `load`.
        """
        if self._weights is None:
            split = self.load("train")
            self._weights = inverse_frequencies(split.targets, self.num_classes)
        return self._weights


def inverse_frequencies(masks: Tensor, num_classes: int) -> Tensor:
    """Return weights (K,) inverse to the frequency of each class, of mean 1.

    A class without a pixel weighs nothing, and the mean is over the others.

    Args:
        masks: (N, H, W), uint8 class numbers or `IGNORED`.
        num_classes: K.
    """
    counts = torch.zeros(IGNORED + 1, dtype=torch.float64)
    for chunk in torch.split(masks, CHUNK):
        counts += chunk.flatten().to(torch.int64).bincount(minlength=IGNORED + 1)
    counts = counts[:num_classes]
    weights = torch.where(counts > 0, 1 / counts, 0.0)
    return (weights / weights[counts > 0].mean()).to(torch.float32)
