"""Fitting: mean squared error of a picture, peak signal-to-noise ratio.

Shapes: B batch, C channels, H and W height and width.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.datasets.dataset import Dataset
from kbench.datasets.fitting import FittingDataset
from kbench.errors import SuiteError
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks.task import Task


class Fitting(Task):
    """A picture from its canvas; targets are (B, C, H, W), float32.

    Args:
        dataset: What is learned from.
        recipe: How.

    Raises:
        SuiteError: If the dataset has no picture to fit.
    """

    metric = "psnr"

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        super().__init__(dataset, recipe)
        if not isinstance(dataset, FittingDataset):
            message = f"dataset {dataset.name!r} has no picture to fit"
            raise SuiteError([message])
        self.value_range = dataset.value_range

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error."""
        return F.mse_loss(outputs.float(), targets)

    def count_correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return 0: no value is right or wrong."""
        del targets
        return outputs.new_zeros((), dtype=torch.int64)

    @torch.no_grad()
    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return `mse`, and `psnr` (dB, for a peak of 1) of the outputs in the range of values."""
        model.eval()
        errors, clamped_errors, count = 0.0, 0.0, 0
        for inputs, targets in batches:
            outputs = model(inputs).double()  # (B, C, H, W)
            errors += float((outputs - targets).square().sum())
            if self.value_range is not None:
                outputs = outputs.clamp(*self.value_range)
            clamped_errors += float((outputs - targets).square().sum())
            count += targets.numel()
        return {"mse": errors / count, "psnr": psnr(clamped_errors / count)}


def psnr(mse: float, peak: float = 1.0) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite without an error."""
    return 10 * math.log10(peak**2 / mse) if mse > 0 else math.inf
