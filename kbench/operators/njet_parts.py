"""Parts of N-Jet: where the window lies, safe subsampling, what decays."""

from dataclasses import dataclass, replace
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.operators.gaussian_derivatives import Window
from kbench.operators.geometry import Geometry, Padding
from kbench.operators.njet_options import (
    LARGEST_SIGMA_INIT,
    LEAST_SCALE,
    AlphaPenalty,
    SafeLayers,
    SafePosition,
    SafeRule,
    check_choice,
    check_number,
)


def same_axes(padding: Padding, geometry: Geometry) -> tuple[bool, ...]:
    """Return for each axis whether the padding follows the window, so that the side is kept.

    A number equal to dilation (kernel_size - 1) / 2 says the same of the convolution that the
    layer replaces; other numbers are taken literally.

    Raises:
        ValueError: If `padding` is a word other than `same` and `valid`.
    """
    if isinstance(padding, str):
        check_choice("padding", padding, Literal["same", "valid"])
        return (padding == "same",) * geometry.dims
    axes = zip(geometry.padding, geometry.dilation, geometry.kernel_size, strict=True)
    return tuple(2 * before == step * (side - 1) for (before, _), step, side in axes)


def sigma_at_reach(reach: int, window: Window, geometry: Geometry) -> float:
    """Return the sigma whose window reaches `reach` pixels from its centre.

    Raises:
        UnsupportedError: If the size of the window is fixed.
        ValueError: If the sigma is out of range.
    """
    if window.rule == "fixed":
        message = "size_rule (='fixed') has no reach: the window does not follow sigma"
        raise UnsupportedError(message)
    sigma = reach / (window.extent * max(geometry.dilation))
    check_number("sigma_init", sigma, 2.0**LEAST_SCALE, LARGEST_SIGMA_INIT)
    return sigma


@dataclass(frozen=True)
class Placement:
    """Where a window of changing radii meets the input.

    Attributes:
        geometry: Stride, dilation and groups, and the literal padding.
        same_axes: Whether the padding of an axis follows the window.
    """

    geometry: Geometry
    same_axes: tuple[bool, ...]

    def refuse_literal_padding(self) -> None:
        """Refuse a padding that does not follow the window, as `masked` needs it.

        Raises:
            UnsupportedError: If an axis has such a padding.
        """
        if not all(self.same_axes):
            message = "execution 'masked' needs padding 'same': literal padding follows the window"
            raise UnsupportedError(message)

    def crop(self, radii: tuple[int, ...], sides: tuple[int, ...]) -> tuple[int, ...]:
        """Drop the taps that only meet zero padding: further from the centre than the input."""
        if self.geometry.padding_mode != "zeros":
            return radii
        axes = zip(radii, sides, self.geometry.dilation, self.same_axes, strict=True)
        return tuple(
            min(radius, max(side - 1, 0) // step) if is_same else radius
            for radius, side, step, is_same in axes
        )

    def geometry_at(self, radii: tuple[int, ...]) -> Geometry:
        """Return the arguments of the convolution with a window of these radii."""
        geometry = self.geometry
        axes = zip(radii, geometry.dilation, geometry.padding, self.same_axes, strict=True)
        pads = [
            (step * radius,) * 2 if is_same else literal for radius, step, literal, is_same in axes
        ]
        sides = tuple(2 * radius + 1 for radius in radii)
        return replace(geometry, kernel_size=sides, padding=tuple(pads))


@dataclass(frozen=True)
class SafeSubsampling:
    """How much the side of the maps may shrink for a given sigma.

    Attributes:
        ratio: r_s; None is no subsampling.
        rule: `paper` multiplies the side by 2^(-sigma / r_s); `code` divides it by
            max(1, 2^sigma / r_s), as the release would if it were switched on.
        position: Whether the output or the input of the convolution is subsampled.
        layers: Which layers: all, or those in place of a convolution with a stride.
    """

    ratio: float | None
    rule: SafeRule
    position: SafePosition
    layers: SafeLayers = "all"

    def __post_init__(self) -> None:
        if self.ratio is not None:
            check_number("safe_subsample", self.ratio, 0, exclusive=True)
        check_choice("safe_rule", self.rule, SafeRule)
        check_choice("safe_position", self.position, SafePosition)
        check_choice("safe_layers", self.layers, SafeLayers)

    def at(self, geometry: Geometry) -> "tuple[SafeSubsampling, Geometry]":
        """Return what is subsampled in the place of a convolution, and the arguments that stay."""
        if self.ratio is None or self.layers == "all":
            return self, geometry
        if max(geometry.stride) == 1:
            return replace(self, ratio=None), geometry
        return self, replace(geometry, stride=(1,) * geometry.dims)

    def factor(self, sigma: float) -> float:
        """Return new side / side, greater than 0 and at most 1.

        Args:
            sigma: In taps, without `sigma_scale`: a network that runs at twice its resolution then
                keeps twice its map sides.
        """
        if self.ratio is None:
            return 1.0
        if self.rule == "paper":
            return float(2.0 ** (-sigma / self.ratio))
        return min(1.0, self.ratio * 2.0**-sigma)


@dataclass(frozen=True)
class Decays:
    """What the optimiser does to alpha and sigma beside the gradient of the loss.

    Attributes:
        alpha_penalty: `decay` is weight decay; `frobenius` adds a norm to the loss instead; `none`
            exempts alpha from both.
        alpha_weight_decay: Weight of either; None keeps the recipe's weight decay.
        sigma_lr_scale: Factor of the learning rate for log2 sigma.
        sigma_weight_decay: Weight decay of log2 sigma, which pulls sigma to 1.
    """

    alpha_penalty: AlphaPenalty
    alpha_weight_decay: float | None
    sigma_lr_scale: float
    sigma_weight_decay: float

    def __post_init__(self) -> None:
        check_choice("alpha_penalty", self.alpha_penalty, AlphaPenalty)
        if self.alpha_weight_decay is not None:
            check_number("alpha_weight_decay", self.alpha_weight_decay, 0)
        elif self.alpha_penalty == "frobenius":
            message = "alpha_weight_decay (=None) must be a number with alpha_penalty 'frobenius'"
            raise ValueError(message)
        check_number("sigma_lr_scale", self.sigma_lr_scale, 0, exclusive=True)
        check_number("sigma_weight_decay", self.sigma_weight_decay, 0)

    @property
    def alpha_group(self) -> float | None:
        """Weight decay that the optimiser applies to alpha; None keeps the recipe's."""
        groups = {"decay": self.alpha_weight_decay, "frobenius": None, "none": 0.0}
        return groups[self.alpha_penalty]


class SigmaOfResolution(nn.Module):
    """A layer whose sigma is multiplied by `sigma_scale`, as it follows the input's resolution."""

    sigma_scale: float

    def change_resolution(self, source: int, target: int) -> None:
        """Scale sigma by target / source, for inputs whose sides changed from one to the other."""
        self.sigma_scale *= target / source


class SafeSubsample(nn.Module):
    """Nearest-neighbour subsampling of every side by a factor of at most 1.

    Args:
        factor: New side / side; the new side is rounded down and at least 1.
        dims: Number of spatial axes.
    """

    def __init__(self, factor: float, dims: int) -> None:
        super().__init__()
        self.factor = factor
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, *S) to (B, C, *S')."""
        sides = tuple(x.shape[-self.dims :])
        targets = tuple(max(1, int(side * self.factor)) for side in sides)
        if targets == sides:
            return x
        batch = x if x.dim() == self.dims + 2 else x[None]
        y = F.interpolate(batch, size=targets, mode="nearest")
        return y if x.dim() == self.dims + 2 else y[0]
