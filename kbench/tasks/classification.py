"""Classification: cross-entropy with label smoothing, top-1 and top-5 accuracy.

Shapes: B batch, K classes.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.loaders.batch import Batch
from kbench.tasks.task import Task


class Classification(Task):
    """One class an image; targets are (B,) class numbers or, where images are mixed, (B, K) shares.

    Args:
        dataset: What is learned from.
        recipe: Names the loss and its label smoothing.
    """

    metric = "top1"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the recipe's loss of (B, K) logits, in nats."""
        if self.recipe.loss == "bce":
            return binary_cross_entropy(outputs, targets, self.recipe.label_smoothing)
        return cross_entropy(outputs, targets, self.recipe.label_smoothing)

    def count_correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return in how many rows the largest logit is the target's, or the largest share's."""
        return count_correct(outputs, targets if targets.ndim == 1 else targets.argmax(1))

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return `top1`, `top5` (percent; of more than 5 classes only) and `loss`."""
        return evaluate(model, batches)


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean cross-entropy of (B, K) logits against (B,) or (B, K) targets, in nats."""
    return F.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing)


def binary_cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    r"""Return the binary cross-entropy, averaged over the images and the classes, in nats.

    "ResNet strikes back", arXiv 2110.00476, section 2. With label smoothing :math:`\epsilon` the
    targets are :math:`(1 - \epsilon) y + \epsilon / K`.
    """
    classes = logits.shape[1]
    shares = F.one_hot(targets, classes).float() if targets.ndim == 1 else targets  # (B, K)
    smoothed = shares * (1 - label_smoothing) + label_smoothing / classes
    return F.binary_cross_entropy_with_logits(logits.float(), smoothed)


def count_correct(logits: Tensor, targets: Tensor, k: int = 1) -> Tensor:
    """Return in how many rows of (B, K) logits the target is among the k largest, as a scalar."""
    best = logits.topk(k, dim=1).indices  # (B, k)
    return (best == targets[:, None]).sum()


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """Return `top1`, `top5` (percent; of more than 5 classes only) and `loss` over the batches.

    The network is put into evaluation mode and left in it.
    """
    model.eval()
    sums: dict[str, Tensor] = {}
    count = 0
    for inputs, targets in batches:
        logits = model(inputs)  # (B, K)
        values = {
            "top1": 100 * count_correct(logits, targets),
            "loss": F.cross_entropy(logits.float(), targets, reduction="sum").double(),
        }
        if logits.shape[1] > 5:
            values["top5"] = 100 * count_correct(logits, targets, 5)
        sums = {name: sums.get(name, 0) + value for name, value in values.items()}
        count += len(targets)
    return {name: float(value) / count for name, value in sums.items()}
