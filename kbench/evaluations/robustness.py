"""Accuracy under attack.

Shapes: B batch, C channels, H and W sides.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.evaluations.layers import evaluating
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS
from kbench.tasks.classification import count_correct


def fgsm(model: nn.Module, pixels: Tensor, targets: Tensor, epsilon: float) -> Tensor:
    """Return images moved by the fast gradient sign method.

    The gradient is that of the plain cross-entropy, without smoothing (LC, section 6.3).

    Args:
        model: Maps pixels to logits; normalisation inside.
        pixels: (B, C, H, W) in 0 to 1.
        targets: (B,) classes.
        epsilon: Largest change of a pixel, as a share of the range 0 to 1.
    """
    pixels = pixels.detach().requires_grad_()
    with torch.enable_grad():
        # A mean would let small gradients vanish, the more the larger the batch.
        loss = F.cross_entropy(model(pixels).float(), targets, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, pixels)
    return (pixels + epsilon * gradient.sign()).clamp(0, 1).detach()


@EVALUATIONS.register("fgsm")
def fgsm_accuracy(network: Evaluated, *, epsilon: float = 1 / 255) -> Iterator[tuple[str, float]]:
    """Accuracy on the test split under the fast gradient sign method, in float32."""
    mean, std = (
        torch.tensor(values, device=network.device).view(1, -1, 1, 1)  # (1, C, 1, 1)
        for values in network.statistics
    )

    class Normalised(nn.Module):
        """The network behind the normalisation of its inputs."""

        def forward(self, pixels: Tensor) -> Tensor:
            """Map (B, C, H, W) in 0 to 1 to logits."""
            return network.model((pixels - mean) / std)

    attacked = Normalised()
    correct, count = 0, 0
    with evaluating(network.model):
        for inputs, targets in network.loader.batches(0):
            pixels = (inputs * std + mean).clamp(0, 1)
            moved = fgsm(attacked, pixels, targets, epsilon)
            with torch.no_grad():
                correct += int(count_correct(attacked(moved), targets))
            count += len(targets)
    yield "fgsm_top1", 100 * correct / count
