"""The filter of N-Jet, and the forms of its convolution that never build it.

Shapes: B batch, I input channels, O output channels, G groups, N order, F basis functions,
K taps of a row, S spatial sides, H and W height and width; H' and W' after the convolution.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.operators.gaussian_derivatives import gaussian_basis
from kbench.operators.geometry import CONVOLUTIONS, Geometry
from kbench.operators.precision import without_autocast


def mixed_filter(alpha: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """Return the filter (O, I/G, *K), built in the rows' precision, in alpha's.

    Args:
        alpha: (F, I/G, O).
        rows: For each axis the rows of shape (N + 1, K).
    """
    _, channels, out_channels = alpha.shape
    with without_autocast(alpha):
        basis = gaussian_basis(rows)  # (F, *K)
        mix = alpha.to(basis.dtype).transpose(1, 2).flatten(1)  # (F, O I/G)
        weight = mix.t() @ basis.flatten(1)  # keeps both products of the backward pass wide
    return weight.view(out_channels, channels, *basis.shape[1:]).to(alpha.dtype)


def basis_then_mix(x: Tensor, alpha: Tensor, rows: Sequence[Tensor], geometry: Geometry) -> Tensor:
    """Filter every channel with every basis function, then mix: the form of Jacobsen et al., 2016.

    Args:
        x: (B, I, *S).
        alpha: (F, I/G, O).
        rows: For each axis the rows of shape (N + 1, K).
        geometry: Stride, padding, dilation and groups.
    """
    basis = gaussian_basis(rows)[:, None]  # (F, 1, *K)
    convolution = CONVOLUTIONS[geometry.dims]
    x, pads = _pad(x, geometry)
    channels = x.flatten(0, 1)[:, None]  # (B I, 1, *S)
    maps = convolution(channels, basis, None, geometry.stride, pads, geometry.dilation)
    maps = maps.view(*x.shape[:2], *maps.shape[1:]).flatten(1, 2)  # (B, I F, *S')
    mix = alpha.permute(2, 1, 0).flatten(1)  # (O, I/G F)
    return convolution(maps, mix[(..., *(None,) * geometry.dims)], groups=geometry.groups)


def row_mix_col(x: Tensor, alpha: Tensor, rows: Sequence[Tensor], geometry: Geometry) -> Tensor:
    """Filter along the rows, mix the channels, filter along the columns.

    Filtering along an axis is a product with a band matrix, which matrix units run at full speed;
    depthwise convolutions of the same taps are slower at the sides of feature maps. In 1-D there
    is no second axis and the form is `basis_then_mix`.

    Args:
        x: (B, I, H, W).
        alpha: (F, I/G, O).
        rows: For each axis the rows of shape (N + 1, K).
        geometry: Stride, padding, dilation and groups.

    Raises:
        RuntimeError: If x has another number of channels, as from torch's convolutions.
    """
    if geometry.dims == 1:
        return basis_then_mix(x, alpha, rows, geometry)
    x, pads = _pad(x, geometry)
    (batch, channels, height, width), groups, length = x.shape, geometry.groups, len(rows[0])
    if channels != alpha.shape[1] * groups:
        message = f"njet: input {tuple(x.shape)} must have {alpha.shape[1] * groups} channels"
        raise RuntimeError(message)
    across = _band(rows[1], width, geometry.stride[1], pads[1], geometry.dilation[1])
    down = _band(rows[0], height, geometry.stride[0], pads[0], geometry.dilation[0])
    maps = x.flatten(0, 2) @ across.flatten(1)  # (B I H, (N + 1) W')
    maps = maps.view(batch, groups, channels // groups, height, length, across.shape[2])
    maps = maps.permute(0, 1, 4, 2, 3, 5).flatten(2, 3).flatten(3)  # (B, G, (N + 1) I/G, H W')
    mixed = torch.stack([mix @ maps[:, :, : mix.shape[2]] for mix in _mixes(alpha, groups)], dim=3)
    sides = (length * height, across.shape[2])
    mixed = mixed.reshape(batch, alpha.shape[2], *sides)  # (B, O, (N + 1) H, W')
    return down.permute(2, 1, 0).flatten(1) @ mixed  # (B, O, H', W')


def _mixes(alpha: Tensor, groups: int) -> list[Tensor]:
    """Return for each i the weights of maps j = 0 ... N - i, of shape (G, O/G, (N - i + 1) I/G)."""
    functions, _, out_channels = alpha.shape
    length = int((2 * functions) ** 0.5)
    blocks = torch.split(alpha, list(range(length, 0, -1)))
    per_group = [block.flip(0).reshape(-1, groups, out_channels // groups) for block in blocks]
    return [block.permute(1, 2, 0) for block in per_group]


def _band(rows: Tensor, side: int, stride: int, pad: int, dilation: int) -> Tensor:
    """Return the matrices (S, N + 1, S') that filter an axis, by filtering unit vectors."""
    units = torch.eye(side, device=rows.device, dtype=rows.dtype)[:, None]
    return F.conv1d(units, rows[:, None], None, stride, pad, dilation)


def _pad(x: Tensor, geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    if geometry.padding_mode == "zeros":
        return x, tuple(before for before, _ in geometry.padding)
    return geometry.pad(x), (0,) * geometry.dims
