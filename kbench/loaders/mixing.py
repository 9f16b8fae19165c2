"""Mixup and CutMix of a batch, as timm's `Mixup` in its mode `batch`.

Every image is mixed with the one that stands as far from the batch's other end; one share and one
rectangle hold for the whole batch. Unlike timm's, a batch may have an odd number of images, the
one in the middle is then mixed with itself, and the targets are not smoothed here.

Shapes: B images of a batch, C channels, S spatial sides, H and W height and width, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from kbench.loaders.batch import Batch
from kbench.recipe import Augmentation


@dataclass(frozen=True)
class Mix:
    """How a batch is mixed.

    Attributes:
        share: What remains of each image and its target, 0 to 1.
        box: Top, bottom, left and right of the rectangle that comes from the other image; None
            for mixup, which adds the images.
    """

    share: float
    box: tuple[int, int, int, int] | None


NO_MIX = Mix(1.0, None)


def draw_mix(
    augmentation: Augmentation, sides: tuple[int, ...], generator: np.random.Generator
) -> Mix:
    """Draw how a batch of inputs with the spatial sides S is mixed."""
    if not augmentation.is_mixing or generator.random() >= augmentation.mixup_prob:
        return NO_MIX
    is_cut = augmentation.cutmix > 0
    if is_cut and augmentation.mixup:
        is_cut = generator.random() < augmentation.mixup_switch_prob
    alpha = augmentation.cutmix if is_cut else augmentation.mixup
    share = float(generator.beta(alpha, alpha))
    if not is_cut:
        return Mix(share, None)
    height, width = sides
    top, bottom = _draw_edges(height, share, generator)
    left, right = _draw_edges(width, share, generator)
    covered = (bottom - top) * (right - left) / (height * width)
    return Mix(1 - covered, (top, bottom, left, right))


def mix_batch(
    batch: Batch, augmentation: Augmentation, num_classes: int, generator: np.random.Generator
) -> Batch:
    """Return a batch (B, C, *S) with class numbers mixed; the targets are then (B, K)."""
    mix = draw_mix(augmentation, tuple(batch.inputs.shape[2:]), generator)
    return Batch(mix_inputs(batch.inputs, mix), mix_targets(batch.targets, num_classes, mix))


def mix_inputs(inputs: Tensor, mix: Mix) -> Tensor:
    """Return the mixed inputs; (B, C, *S), memory format and device stay as they are."""
    if mix.share == 1:
        return inputs
    others = inputs.flip(0)
    if mix.box is None:
        return inputs * mix.share + others * (1 - mix.share)
    top, bottom, left, right = mix.box
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed


def mix_targets(targets: Tensor, num_classes: int, mix: Mix) -> Tensor:
    """Return shares of the classes (B, K) in float32 for class numbers (B,)."""
    shares = F.one_hot(targets, num_classes).float()
    return shares * mix.share + shares.flip(0) * (1 - mix.share)


def _draw_edges(side: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    length = int(side * np.sqrt(1 - share))
    centre = int(generator.integers(side))
    return max(0, centre - length // 2), min(side, centre + (length + 1) // 2)
