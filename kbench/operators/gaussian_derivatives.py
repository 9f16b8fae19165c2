"""Gaussian derivatives sampled on the pixel grid, the basis of N-Jet's filters.

Pintea et al., Resolution learning in deep convolutional networks using scale-space theory, 2021.
With u = x / sigma, He_n the probabilists' Hermite polynomials and q a Gaussian that is normalised
after its truncation to the window, a row is b_n(x) = (-1)^n He_n(u) q(x): the n-th derivative
times sigma^n (equations 2, 3 and 5). A basis function is the outer product of one row per axis.

Shapes: N highest order, r radius, K = 2r + 1 taps of a row, F functions of a basis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kbench.errors import UnsupportedError

SizeRule = Literal["code", "paper", "fixed"]
GaussNorm = Literal["sum", "analytic"]

ROUNDING_MARGIN = 1e-4  # keeps exact multiples of sigma apart from rounding noise


@dataclass(frozen=True)
class Window:
    """How far the rows reach for a given sigma.

    Attributes:
        rule: `code` is r = ceil(extent * sigma + 0.5), `paper` is r = ceil(extent * sigma), `fixed`
            is r = (side - 1) / 2 on each axis.
        extent: k, in sigmas.
        max_radius: Cap on r, in taps; None is no cap.
        sides: Sides of the window under `fixed`; their number is the number of axes.

    Raises:
        ValueError: If a side under `fixed` is even, below 3 or beyond the cap.
    """

    rule: SizeRule
    extent: float
    max_radius: int | None
    sides: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.rule != "fixed":
            return
        if any(side < 3 or side % 2 == 0 for side in self.sides):
            message = f"kernel_size (={self.sides}) must be odd and >= 3 with size_rule 'fixed'"
            raise UnsupportedError(message)
        if self.max_radius is not None and max(self.sides) // 2 > self.max_radius:
            message = (
                f"kernel_size (={self.sides}) must be <= 2 max_radius (={self.max_radius}) + 1"
            )
            raise UnsupportedError(message)

    def radii(self, sigma: float) -> tuple[int, ...]:
        """Return r of every axis; 1 where sigma is not a number, as any window is then."""
        if self.rule == "fixed":
            return tuple((side - 1) // 2 for side in self.sides)
        return (self._radius(sigma),) * len(self.sides)

    def is_capped(self, sigma: float) -> bool:
        """Return whether `max_radius` makes the window smaller than its rule says."""
        return self.max_radius is not None and self._uncapped(sigma) > self.max_radius

    def radius_on_device(self, sigma: Tensor) -> Tensor:
        """Return the capped r as a tensor like sigma, for the rules that follow sigma."""
        margin = (0.5 if self.rule == "code" else 0.0) - ROUNDING_MARGIN
        return (self.extent * sigma.detach() + margin).ceil().clamp(1, self.max_radius)

    def _radius(self, sigma: float) -> int:
        if math.isnan(sigma):
            return 1
        uncapped = max(1.0, self._uncapped(sigma))
        return int(uncapped if self.max_radius is None else min(uncapped, self.max_radius))

    def _uncapped(self, sigma: float) -> float:
        if self.rule == "fixed":
            return 0.0
        margin = (0.5 if self.rule == "code" else 0.0) - ROUNDING_MARGIN
        reach = self.extent * sigma + margin
        return float(math.ceil(reach)) if math.isfinite(reach) else reach


def derivative_orders(order: int, dims: int) -> tuple[tuple[int, ...], ...]:
    """Return the order on each axis of every basis function up to a total order of N.

    2-D: (i, j) with i (rows) rising and j (columns) falling, as the released coefficients lie.
    """
    if dims == 1:
        return tuple((n,) for n in range(order + 1))
    return tuple((i, j) for i in range(order + 1) for j in range(order - i, -1, -1))


def gaussian_rows(
    sigma: Tensor,
    order: int,
    radius: int,
    norm: GaussNorm = "sum",
    window: Tensor | None = None,
) -> Tensor:
    """Return the rows b_0 to b_N at x = -r ... r, of shape (N + 1, K).

    Args:
        sigma: One positive number in taps, of shape (1,); the rows are differentiable in it.
        order: N.
        radius: r.
        norm: `sum` divides the truncated Gaussian by its sum; `analytic` by sigma sqrt(2 pi).
        window: Taps further than this from the centre are zero and left out of the sum. Gives the
            rows of a smaller radius on a grid of constant size. None keeps all.
    """
    offsets = torch.arange(-radius, radius + 1, device=sigma.device, dtype=sigma.dtype)  # (K,)
    if window is None:
        u = offsets / sigma
        gaussian = torch.exp(-0.5 * u * u)
    else:
        inside = (offsets.abs() <= window).to(sigma.dtype)
        u = offsets * inside / sigma
        gaussian = torch.exp(-0.5 * u * u) * inside
    total = gaussian.sum() if norm == "sum" else sigma * math.sqrt(2 * math.pi)
    rows = [gaussian / total]
    if order > 0:
        rows.append(-u * rows[0])
    for n in range(1, order):
        rows.append(torch.addcmul(rows[n - 1] * -n, u, rows[n], value=-1))
    return torch.stack(rows)


def gaussian_basis(rows: Sequence[Tensor]) -> Tensor:
    """Return the basis functions, of shape (F, *K), in the order of `derivative_orders`.

    Args:
        rows: For each axis the rows of shape (N + 1, K).
    """
    if len(rows) == 1:
        return rows[0]
    down, across = rows
    grid = down[:, None, :, None] * across.flip(0)[None, :, None, :]  # (i, N - j, K, K)
    return torch.cat([grid[i, i:] for i in range(len(down))])


def basis_energy(sigma: float, order: int, radii: Sequence[int], norm: GaussNorm = "sum") -> float:
    """Return the sum of squares over all functions of a basis, in float64."""
    width = torch.tensor([sigma], dtype=torch.float64, device="cpu")
    rows = [gaussian_rows(width, order, radius, norm) for radius in radii]
    return float(gaussian_basis(rows).square().sum())
