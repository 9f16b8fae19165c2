"""Pointwise part of NIFF: a 1x1 convolution, as such or through the spectrum.

Shapes: B batch, I input channels, O output channels, S spatial sides.
"""

import math

import torch
from torch import Tensor, nn

from kbench.operators.geometry import CONVOLUTIONS
from kbench.operators.precision import computing_dtype, without_autocast


class ChannelMix(nn.Module):
    """Linear map of the channels at every position, without bias.

    The weight is drawn as that of a linear layer and missed by the initialisers of convolutions,
    as in the official networks (section 2.6).

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        dims: Number of spatial axes.
        roll: Whether both channel axes are rolled by half (section 10, quirk 1).
        through_fft: Whether the map is applied to the spectrum, which changes only the time.
    """

    def __init__(
        self, in_channels: int, out_channels: int, dims: int, *, roll: bool, through_fft: bool
    ) -> None:
        super().__init__()
        self.dims, self.roll, self.through_fft = dims, roll, through_fft
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def matrix(self) -> Tensor:
        """Return the (O, I) that is applied."""
        return roll_by_half(self.weight, 2) if self.roll else self.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S)."""
        if not self.through_fft:
            return self._mix(x)
        dim = tuple(range(-self.dims, 0))
        with without_autocast(x):
            spectrum = torch.fft.fftn(x.to(computing_dtype(x)), dim=dim)
            mixed = torch.complex(self._mix(spectrum.real), self._mix(spectrum.imag))
            return torch.fft.ifftn(mixed, dim=dim).real.to(x.dtype)

    def _mix(self, x: Tensor) -> Tensor:
        weight = self.matrix().to(x.dtype).reshape(*self.weight.shape, *(1,) * self.dims)
        return CONVOLUTIONS[self.dims](x, weight)


def roll_by_half(values: Tensor, axes: int) -> Tensor:
    """Put entry (i + n // 2) mod n on place i of each of the first axes (section 10, quirk 1)."""
    for axis in range(axes):
        values = values.roll(-(values.shape[axis] // 2), axis)
    return values
