"""The learnable Gaussian mask of FlexConv and the window of taps that it keeps.

Shapes: D axes, T kept taps of an axis.
"""

import math

import torch
from torch import Tensor

from kbench.operators.window_convolution import Window


def tap_position(tap: int, size: int) -> float:
    """Return the coordinate of a tap: -1 for the first, 1 for the last."""
    return (2 * tap - (size - 1)) / (size - 1)


def tap_positions(window: Window, size: int, like: Tensor) -> Tensor:
    """Return the coordinates (T) of the kept taps, in `like`'s device and float32 or better."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    taps = torch.arange(window[0], window[1], device=like.device, dtype=dtype)
    return (2 * taps - (size - 1)) / (size - 1)


def mask_cutoff(threshold: float) -> float:
    """Return at how many sigmas from its mean the mask falls to the threshold."""
    return math.sqrt(-2 * math.log(threshold))


def mask_window(mean: float, sigma: float, size: int, cutoff: float, *, is_causal: bool) -> Window:
    """Return the kept taps [first, last) of one axis.

    Centred, the window is symmetric about the kernel's centre, so a shifted mean only widens it.
    Causal, only the far past is removed. A mask that is NaN keeps all taps.

    Args:
        mean: Mean of the mask in the kernel's coordinate.
        sigma: Standard deviation of the mask; its sign does not matter.
        size: Taps of the uncropped kernel, at least 2.
        cutoff: As of `mask_cutoff`.
        is_causal: Whether the last tap is the current step.
    """
    reach = abs(sigma) * cutoff
    root = mean - reach if is_causal else abs(mean) + reach
    if not abs(root) < 1:
        return 0, size
    edge = root if is_causal else -root
    first = max(math.floor((edge + 1) * (size - 1) / 2), 0)
    while first < size - 1 and tap_position(first, size) <= edge:
        first += 1
    if is_causal:
        return first, size
    first = min(first, (size - 1) // 2)
    return first, size - first


def mask_values(
    params: Tensor, positions: list[Tensor], sigma_floor: float | None = None
) -> list[Tensor]:
    r"""Return :math:`\exp(-\frac12 ((p - \mu) / \sigma)^2)` as one vector (T) an axis.

    Args:
        params: (D, 2), rows of mean and sigma.
        positions: Coordinates (T) of the kept taps, an axis each.
        sigma_floor: As of `effective_sigma`.
    """
    params = params.to(positions[0].dtype)
    sigma = effective_sigma(params, sigma_floor)
    return [
        torch.exp(-0.5 * ((p - params[d, 0]) / sigma[d]).square()) for d, p in enumerate(positions)
    ]


def effective_sigma(params: Tensor, sigma_floor: float | None) -> Tensor:
    """Return (D), |sigma| but at least the floor, whose gradient passes as if it were not there."""
    sigma = params[:, 1].abs()
    if sigma_floor is None:
        return sigma
    return sigma + (sigma.clamp(min=sigma_floor) - sigma).detach()
