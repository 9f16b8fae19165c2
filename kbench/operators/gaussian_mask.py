r"""Gaussian mask over the taps of a kernel (GMConv).

With the offsets :math:`u_a = i_a - (k_a - 1) / 2` of a tap from the kernel's centre, the mask is
:math:`M = \exp(-r^2 / (2 \sigma^2 + \epsilon))`, :math:`r^2 = \sum_a u_a^2`.

Shapes: K kernel sides; D their number.
"""

import itertools
import math
from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.operators.gmconv_options import (
    Coord,
    InitGain,
    Normalise,
    Param,
    check_choice,
    check_number,
    check_sigma_init,
)
from kbench.operators.precision import computing_dtype


@dataclass(frozen=True)
class GaussianMask:
    """What the mask of one kernel is, but for sigma.

    Attributes:
        kernel_size: K, one side per axis.
        coord: Unit of sigma: `pixel` is one tap, `unit` the distance from centre to corner.
        normalise: `none`; `density` multiplies by (pi (2 sigma^2 + eps))^(-D/2); `sum` divides by
            the sum over taps, `peak` by the largest value.
        eps: Added to 2 sigma^2, so that sigma = 0 has a finite value and gradient.
    """

    kernel_size: tuple[int, ...]
    coord: Coord
    normalise: Normalise
    eps: float

    @classmethod
    def of(
        cls,
        operator: str,
        kernel_size: tuple[int, ...],
        coord: Coord,
        normalise: Normalise,
        eps: float,
    ) -> "GaussianMask":
        """Return the mask of checked options.

        Raises:
            ValueError: If `coord` or `normalise` is unknown or `eps` is not a number >= 0.
        """
        check_choice(operator, "coord", coord, get_args(Coord))
        check_choice(operator, "normalise", normalise, get_args(Normalise))
        check_number(operator, "eps", eps, least=0)
        return cls(kernel_size, coord, normalise, eps)

    def exponents_for(self, weight: Tensor) -> Tensor:
        """Return -r^2 / 2 of every tap, (*K), on the weight's device, in float32 or wider.

        For `sum` and `peak` r^2 counts from the nearest tap: their quotients do not see a common
        factor, and so even kernels, which have no tap at the centre, never divide 0 by 0.
        """
        sides = [torch.arange(1 - side, side, 2, device="cpu") for side in self.kernel_size]
        squares = torch.stack(torch.meshgrid(*sides, indexing="ij")).square().sum(dim=0)
        if self.normalise in ("sum", "peak"):
            squares = squares - squares.min()
        # (2 u)^2 was summed; the corner's sum is 4 R^2
        corner = sum((side - 1) ** 2 for side in self.kernel_size)
        unit = corner if self.coord == "unit" and corner else 4
        return (squares.double() / (-2 * unit)).to(weight.device, computing_dtype(weight))

    def rings(self) -> tuple[int, ...]:
        """Return the flat index of one tap of every distinct radius, nearest first."""
        taps = itertools.product(*(range(1 - side, side, 2) for side in self.kernel_size))
        squares = [sum(offset**2 for offset in tap) for tap in taps]
        return tuple(squares.index(square) for square in sorted(set(squares)))

    def __call__(self, exponents: Tensor, sigma: Tensor) -> Tensor:
        """Return the mask in float32 or wider.

        Args:
            exponents: What `exponents_for` returns for the weight of this sigma.
            sigma: Effective sigma, (..., *1) with D last axes of length 1.

        Shape:
            - output: (..., *K)
        """
        variance = sigma.to(computing_dtype(sigma)).square() + self.eps / 2
        mask = torch.exp(exponents / variance)
        if self.normalise == "density":
            return mask * (2 * math.pi * variance) ** (-len(self.kernel_size) / 2)
        if self.normalise == "sum":
            return mask / mask.sum(dim=tuple(range(-len(self.kernel_size), 0)), keepdim=True)
        return mask

    def gain(self, operator: str, sigma_init: float, init_gain: InitGain) -> float:
        """Return the factor that `init_gain` puts on the initial weights.

        `none` is 1, `var` 1 / sqrt(mean over taps of M^2), which restores the variance.

        Raises:
            ValueError: If an option is out of range, or the mask has no tap above 0 for `var`.
        """
        check_sigma_init(operator, sigma_init)
        check_choice(operator, "init_gain", init_gain, get_args(InitGain))
        if init_gain == "none":
            return 1.0
        ones = (1,) * len(self.kernel_size)
        sigma = torch.full(ones, sigma_init, dtype=torch.float64, device="cpu")
        mean_square = float(self(self.exponents_for(sigma), sigma).square().mean())
        if not mean_square > 0:
            message = (
                f"{operator}: init_gain (='var') is not defined, as sigma_init (={sigma_init!r}) "
                f"leaves no tap of kernel {self.kernel_size} above 0"
            )
            raise ValueError(message)
        return mean_square**-0.5


def stored_sigma(sigma: float, param: Param) -> float:
    """Return the stored value whose effective sigma is `sigma`, which is > 0."""
    if param == "log":
        return math.log(sigma)
    # ln(exp(sigma) - 1) without overflow
    return sigma + math.log(-math.expm1(-sigma)) if param == "softplus" else float(sigma)


def effective_sigma(stored: Tensor, param: Param) -> Tensor:
    """Return sigma of the stored value, in float32 or wider."""
    stored = stored.to(computing_dtype(stored))
    if param == "log":
        return stored.exp()
    return F.softplus(stored) if param == "softplus" else stored
