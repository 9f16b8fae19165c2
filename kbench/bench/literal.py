"""Literal forms of the operators: the papers' algorithms as they are written down, not fast.

Benchmarks compare the fast forms with these; tests prove them equal. Written from the papers.

Shapes: B batch, I input channels, O output channels, M maps, F basis functions, H generator width,
K kernel sides, P taps, S spatial sides.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.operators.flexconv import MaskedConv
from kbench.operators.flexconv_mask import tap_positions
from kbench.operators.frequency_response import CoordinateNetwork
from kbench.operators.gaussian_derivatives import derivative_orders
from kbench.operators.geometry import CONVOLUTIONS
from kbench.operators.kernel_generators import KernelGenerator, MultiplicativeFilterNetwork
from kbench.operators.precision import computing_dtype, without_autocast


def literal_form(name: str, operator: nn.Module) -> nn.Module | None:
    """Return a literal form that has parameters of the same values.

    Args:
        name: The operator's name; a literal form of others than kbench's own is not known.
        operator: What it built; its options decide whether there is a literal form.

    Returns:
        The form; None if there is none, or if the operator runs literally already.
    """
    build = BUILDERS.get(name)
    return None if build is None else build(copy.deepcopy(operator))


class LiteralNIFF(nn.Module):
    """NIFF as the official code runs it (specification, sections 2.1, 2.3, 2.4 and 10).

    The networks are evaluated as 1x1 convolutions over the whole grid, the complex spectrum of the
    map is multiplied, and batch and channels are shifted along with the frequencies: it equals the
    operator with `ref_channel_roll`.

    Args:
        source: The operator whose parameters are used, with the circular boundary.
    """

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - NIFF of 1 or 2 axes
        super().__init__()
        self.source = source

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S)."""
        source, dim = self.source, tuple(range(2, x.dim()))
        with without_autocast(x):
            signal = x.to(computing_dtype(x))
            spectrum = torch.fft.fftn(signal, dim=dim)
            if source.response is not None:
                spectrum = self._filter(torch.fft.fftshift(spectrum), signal)
            if source.mix is not None:
                spectrum = _mix_channels(spectrum, source.mix.weight.to(signal.dtype))
            if source.response is not None:
                spectrum = torch.fft.ifftshift(spectrum)
            y = torch.fft.ifftn(spectrum, dim=dim).real
            if source.bias is not None:
                y = y + source.bias.view(-1, *(1,) * len(dim))
        return y.to(x.dtype)

    def _filter(self, spectrum: Tensor, signal: Tensor) -> Tensor:
        response = self.source.response
        grid = _centred_grid(signal, is_centred=response.centred)
        real, imag = (_run_network(n, grid) for n in (response.mlp_real, response.mlp_imag))
        filters = torch.complex(real, imag)  # (M, *S)
        if self.source.form != "full":
            return spectrum * filters
        filters = filters.view(self.source.in_channels, self.source.out_channels, *grid.shape[2:])
        return torch.einsum("bi...,io...->bo...", spectrum, filters)


def _mix_channels(spectrum: Tensor, weight: Tensor) -> Tensor:
    """Return (B, O, *S) for a complex (B, I, *S) and the pointwise matrix (O, I)."""
    dims = spectrum.dim() - 2
    mix = weight[(..., *(None,) * dims)]
    real, imag = (CONVOLUTIONS[dims](part, mix) for part in (spectrum.real, spectrum.imag))
    return torch.complex(real, imag)


def _centred_grid(signal: Tensor, *, is_centred: bool) -> Tensor:
    """Return the coordinates (1, D, *S), that of the last axis first."""
    sides = signal.shape[2:]
    axes = [
        torch.arange(side, device=signal.device, dtype=signal.dtype)
        - (side // 2 if is_centred else side / 2)
        for side in sides
    ]
    return torch.stack(list(reversed(torch.meshgrid(*axes, indexing="ij"))))[None]


def _run_network(network: CoordinateNetwork, grid: Tensor) -> Tensor:
    """Return (M, *S)."""
    h, dims = grid, grid.shape[1]
    for index, (weight, bias) in enumerate(network.layers(grid.dtype)):
        h = CONVOLUTIONS[dims](F.silu(h) if index else h, weight[(..., *(None,) * dims)], bias)
    return h[0]


class LiteralNJet(nn.Module):
    """N-Jet with every basis function computed on the whole grid (specification, sections 2, 4).

    Sigma is copied to the host, the Hermite polynomials of all orders are evaluated at every tap,
    and the filter is the sum of the weighted functions.

    Args:
        source: The operator whose parameters are used, without safe subsampling.
    """

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - N-Jet of 1 or 2 axes
        super().__init__()
        self.source = source

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S')."""
        source = self.source
        radii = tuple(side // 2 for side in source.kernel_size)
        with without_autocast(x):
            filters = torch.einsum("fio,f...->oi...", source.alpha, self._basis(radii))
        geometry = source.placement.geometry_at(radii)
        return geometry.convolve(x, filters, source.bias)

    def _basis(self, radii: Sequence[int]) -> Tensor:
        """Return (F, *K)."""
        sigma = self.source.sigma
        axes = [
            torch.arange(-radius, radius + 1, device=sigma.device, dtype=sigma.dtype)
            for radius in radii
        ]
        grids = [grid / sigma for grid in torch.meshgrid(*axes, indexing="ij")]
        gaussian = torch.exp(-0.5 * sum(grid.square() for grid in grids))
        if self.source.gauss_norm == "sum":
            gaussian = gaussian / gaussian.sum()
        else:
            gaussian = gaussian / (sigma * math.sqrt(2 * math.pi)) ** len(radii)
        functions = []
        for orders in derivative_orders(self.source.order, len(radii)):
            function = gaussian * (-1) ** sum(orders)
            for order, grid in zip(orders, grids, strict=True):
                function = function * _hermite(order, grid)
            functions.append(function)
        return torch.stack(functions)


def _hermite(order: int, u: Tensor) -> Tensor:
    """Return the probabilists' Hermite polynomial of an order at every u."""
    last, value = torch.zeros_like(u), torch.ones_like(u)
    for n in range(order):
        last, value = value, u * value - n * last
    return value


class LiteralGeneratedConv(nn.Module):
    """FlexConv and CKConv with the whole kernel and a direct convolution (sections 2 and 4).

    Generator and mask are evaluated at every tap, sines and Gaussians on the grid instead of along
    the axes; taps outside of the window are then set to zero.

    Args:
        source: The operator whose parameters are used; its kernel size is known.
    """

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - either operator, 1 or 2 axes
        super().__init__()
        self.source = source

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S')."""
        return self.source.geometry.convolve(x, self._kernel(x), self.source.bias)

    def _kernel(self, x: Tensor) -> Tensor:
        """Return the kernel (O, I/G, *K)."""
        source, size = self.source, self.source.known_size()
        out = source.generator.out
        bounds, whole = source.crop_bounds(), ((0, size),) * source.dims
        axes = [tap_positions(window, size, out.weight) for window in whole]
        with without_autocast(x):
            values = out(_generator_features(source.generator, axes))  # (O I/G, P)
            if isinstance(source, MaskedConv):
                values = values * _window_mask(source, axes, bounds)
        shape = (source.geometry.out_channels, -1, *(size,) * source.dims)
        return (source.kernel_scale * values).view(shape).to(out.weight.dtype)


def _generator_features(generator: KernelGenerator, axes: Sequence[Tensor]) -> Tensor:
    """Return (H, P)."""
    if not isinstance(generator, MultiplicativeFilterNetwork):
        return generator.features(axes)
    points = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)  # (D, P)
    first, *others = (_filter_values(layer, points) for layer in generator.filters)
    h = first
    for linear, values in zip(generator.hidden, others, strict=True):
        h = linear(h) * values
    return h


def _filter_values(layer: Any, points: Tensor) -> Tensor:  # noqa: ANN401 - a `Filter`
    """Return (H, P) of one Gabor or Fourier filter."""
    values = torch.sin(layer.weight.to(points.dtype) @ points + layer.bias[:, None])
    if layer.gamma is None:
        return values
    distance = layer.gamma[..., None] * (points - layer.mu[..., None])  # (H, D, P)
    return values * torch.exp(-0.5 * distance.square().sum(1))


def _window_mask(
    source: MaskedConv, axes: Sequence[Tensor], bounds: Sequence[tuple[int, int]]
) -> Tensor:
    """Return the mask (P), zero outside of the window."""
    size = source.known_size()
    rows = []
    for (mean, sigma), positions, (first, last) in zip(
        source.mask_params, axes, bounds, strict=True
    ):
        floor = source.sigma_floor() or 0.0
        width = sigma.abs() + (sigma.abs().clamp(min=floor) - sigma.abs()).detach()
        taps = torch.arange(size, device=positions.device)
        row = torch.exp(-0.5 * ((positions - mean) / width).square())
        row = row if source.options.apply_mask else torch.ones_like(row)
        rows.append(row * ((taps >= first) & (taps < last)))
    return rows[0] if len(rows) == 1 else (rows[0][:, None] * rows[1]).flatten()


def _literal_niff(operator: Any) -> nn.Module | None:  # noqa: ANN401 - of 1 or 2 axes
    has_stride = any(step != 1 for step in operator.stride)
    return None if operator.linear or has_stride else LiteralNIFF(operator)


def _literal_njet(operator: Any) -> nn.Module | None:  # noqa: ANN401 - of 1 or 2 axes
    return None if operator.subsampling.ratio is not None else LiteralNJet(operator)


def _literal_lc(operator: Any) -> nn.Module | None:  # noqa: ANN401 - of 1 or 2 axes
    """Return the two-stage execution."""
    if not operator.is_folded:
        return None
    operator.is_folded, operator.execution = False, "two_stage"
    return operator


def _literal_gmconv(operator: Any) -> nn.Module | None:  # noqa: ANN401 - of 1 or 2 axes
    """Return the loop over images; the static form is literal already."""
    if operator.options.variant == "static":
        return None
    operator.options = replace(operator.options, execution="loop")
    return operator


BUILDERS: dict[str, Callable[[Any], nn.Module | None]] = {
    "ckconv": LiteralGeneratedConv,
    "flexconv": LiteralGeneratedConv,
    "gmconv": _literal_gmconv,
    "lc": _literal_lc,
    "niff": _literal_niff,
    "njet": _literal_njet,
}
