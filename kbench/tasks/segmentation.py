"""Segmentation: weighted cross-entropy of every pixel, mean intersection over union.

Shapes: B batch, K classes, H and W height and width.
"""

from collections.abc import Iterable
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.datasets.dataset import Dataset
from kbench.datasets.segmentation import IGNORED, SegmentationDataset
from kbench.errors import SuiteError
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks.task import Task


class Segmentation(Task):
    """A class for every pixel; targets are (B, H, W) class numbers or `IGNORED`.

    Classes weigh in the loss by the inverse of their frequency among the training pixels, 1 on
    average; N-Jet, arXiv 2106.03412, weighs them so without giving the scale.

    Args:
        dataset: What is learned from.
        recipe: Names the label smoothing.

    Raises:
        SuiteError: If the dataset has no masks.
    """

    metric = "miou"

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        super().__init__(dataset, recipe)
        if not isinstance(dataset, SegmentationDataset):
            message = f"dataset {dataset.name!r} has no masks"
            raise SuiteError([message])
        self.masked = dataset

    @cached_property
    def weights(self) -> Tensor:
        """Return the weight of each class, (K,) float32."""
        return self.masked.class_weights()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted mean cross-entropy of (B, K, H, W) logits, in nats."""
        return F.cross_entropy(
            outputs.float(),
            targets.long(),
            weight=self.weights.to(outputs.device),
            ignore_index=IGNORED,
            label_smoothing=self.recipe.label_smoothing,
        )

    def count_correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the sum over the pictures of the share of pixels that are right."""
        is_counted = targets != IGNORED  # (B, H, W)
        is_right = (outputs.argmax(1) == targets) & is_counted
        counted = is_counted.sum((1, 2)).clamp(min=1)
        return (is_right.sum((1, 2)) / counted).sum()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return `miou` and `pixel_top1` (percent) and the weighted `loss`, over all pixels."""
        model.eval()
        num_classes = self.dataset.num_classes
        confusion: Tensor | None = None
        losses, weights = 0.0, 0.0
        for inputs, targets in batches:
            logits = model(inputs).float()  # (B, K, H, W)
            found = count_confusion(logits.argmax(1), targets, num_classes)
            confusion = found if confusion is None else confusion + found
            share = self.weights.to(logits.device)
            loss = F.cross_entropy(
                logits, targets.long(), weight=share, ignore_index=IGNORED, reduction="sum"
            )
            losses += float(loss)
            weights += float(share[targets[targets != IGNORED].long()].double().sum())
        if confusion is None:
            message = "no batch to evaluate"
            raise ValueError(message)
        return {
            "miou": 100 * mean_iou(confusion, self.masked.scored_classes),
            "pixel_top1": 100 * float(confusion.diagonal().sum() / confusion.sum()),
            "loss": losses / weights,
        }


def count_confusion(predicted: Tensor, targets: Tensor, num_classes: int) -> Tensor:
    """Return (K, K), int64: pixels of class i (row) that were taken for class j (column).

    Args:
        predicted: (B, H, W), int64 class numbers.
        targets: (B, H, W) class numbers or `IGNORED`, which are left out.
        num_classes: K.
    """
    is_counted = targets != IGNORED
    pairs = targets[is_counted].long() * num_classes + predicted[is_counted]
    return pairs.bincount(minlength=num_classes**2).view(num_classes, num_classes)


def mean_iou(confusion: Tensor, classes: tuple[int, ...]) -> float:
    """Return the mean over `classes` of intersection over union, 0 to 1.

    Classes that neither occur nor are predicted are left out; NaN if none is left.
    """
    counts = confusion.double()
    intersections = counts.diagonal()
    unions = counts.sum(0) + counts.sum(1) - intersections
    chosen = torch.tensor(classes, device=counts.device)
    return float((intersections / unions)[chosen].nanmean())
