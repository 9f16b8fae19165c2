"""Classification: cross-entropy with label smoothing, top-1 and top-5 accuracy.

Shapes: B batch, K classes.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.loaders.batch import Batch


def loss_of(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean cross-entropy of (B, K) logits against (B,) targets, in nats."""
    return F.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing)


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
