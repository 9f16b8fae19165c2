"""Frequency responses given by two coordinate networks (NIFF, sections 2.2, 2.3 and 4.1).

Shapes: M maps, D spatial axes, S spatial sides, N points of the whole grid, Q bins of the half
spectrum, h width of the last hidden layer.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from kbench.operators.half_spectrum import Layer, features, half_basis, half_response

Coordinates = Literal["reference", "centred", "centered"]
ResponseInit = Literal["default", "kaiming_fan_out", "kaiming_fan_out_zero_bias", "kaiming_fan_in"]
RESPONSE_INITS = ("default", "kaiming_fan_out", "kaiming_fan_out_zero_bias", "kaiming_fan_in")


class CoordinateNetwork(nn.Module):
    """Affine layers with SiLU between them, evaluated on a list of points.

    The parameters are those of 1x1 convolutions over an image of coordinates, drawn in the same
    order (NIFF, section 2.3); weights are stored as (out, in).

    Args:
        widths: The inputs, the hidden widths and the outputs of the network.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.depth = len(widths) - 1
        for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
            weight = nn.Parameter(torch.empty(fan_out, fan_in))
            bias = nn.Parameter(torch.empty(fan_out))
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
            nn.init.uniform_(bias, -(fan_in**-0.5), fan_in**-0.5)
            self.register_parameter(f"weight{index}", weight)
            self.register_parameter(f"bias{index}", bias)

    def layers(self, dtype: torch.dtype | None = None) -> list[Layer]:
        """Return (weight, bias) of every layer, first layer first."""
        names = [(f"weight{index}", f"bias{index}") for index in range(self.depth)]
        # `get_parameter` splits paths and checks types, which takes as long as a small product.
        pairs = [(getattr(self, weight), getattr(self, bias)) for weight, bias in names]
        return [(weight.to(dtype), bias.to(dtype)) for weight, bias in pairs]

    def initialise(self, init: ResponseInit) -> None:
        """Redraw the weights, layer by layer; `default` keeps what construction drew."""
        if init == "default":
            return
        for weight, bias in self.layers():
            fan = weight.shape[1] if init == "kaiming_fan_in" else weight.shape[0]
            nn.init.normal_(weight, 0.0, math.sqrt(2.0 / fan))
            if init == "kaiming_fan_out_zero_bias":
                nn.init.zeros_(bias)

    def forward(self, points: Tensor) -> Tensor:
        """Map the coordinates (D, N) to (M, N)."""
        layers = self.layers(points.dtype)
        weight, bias = layers[-1]
        return torch.addmm(bias[:, None], weight, features(points, layers))


class FrequencyResponse(nn.Module):
    r"""M frequency responses :math:`\Phi_{re} + i\,\Phi_{im}` as functions of the frequency.

    Nothing depends on the size of the grid. The last bias of :math:`\Phi_{im}` has no effect on a
    real signal (section 2.5); its gradient is zero.

    Args:
        dims: D, the number of spatial axes.
        hidden: Widths of the hidden layers, at least one.
        maps: M, the number of responses.
        coords: `reference` places odd grids on half-integers (section 2.2); `centred`, or
            `centered`, puts the zero frequency on coordinate 0 for every size.
    """

    def __init__(
        self, dims: int, hidden: Sequence[int], maps: int, coords: Coordinates = "reference"
    ) -> None:
        super().__init__()
        self.centred = coords != "reference"
        self.mlp_imag = CoordinateNetwork((dims, *hidden, maps))
        self.mlp_real = CoordinateNetwork((dims, *hidden, maps))

    def initialise(self, init: ResponseInit, gain: float = 1.0) -> None:
        """Redraw the weights as a network's initialiser does, in registration order.

        Args:
            init: Which initialiser (section 2.6); `default` keeps what construction drew.
            gain: Factor on weight and bias of the last layer of both networks.
        """
        with torch.no_grad():
            for network in (self.mlp_imag, self.mlp_real):
                network.initialise(init)
                for parameter in network.layers()[-1]:
                    parameter.mul_(gain)

    def centred_spectrum(self, like: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return the complex (M, *S) on the whole grid, the zero frequency at index S // 2."""
        points = frequency_points(like, size, self.centred, half=False)
        real, imag = self.mlp_real(points), self.mlp_imag(points)
        return torch.complex(real, imag).reshape(-1, *size)

    def half_spectrum(self, like: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return what acts on a real signal, as complex (M, *S[:-1], S[-1] // 2 + 1)."""
        points, bins = frequency_points(like, size, self.centred, half=True), half_size(size)
        return half_response(points, *self._layers(like.dtype)).reshape(-1, *bins)

    def half_basis(self, like: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return the spectra of the 2h kernels that span the filters, as complex (2h, *S')."""
        points, bins = frequency_points(like, size, self.centred, half=True), half_size(size)
        return half_basis(points, *self._layers(like.dtype)).reshape(-1, *bins)

    def _layers(self, dtype: torch.dtype) -> tuple[list[Layer], list[Layer]]:
        return self.mlp_imag.layers(dtype), self.mlp_real.layers(dtype)


def half_size(size: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the half spectrum of a real signal."""
    return (*size[:-1], size[-1] // 2 + 1)


def frequency_points(like: Tensor, size: tuple[int, ...], centred: bool, *, half: bool) -> Tensor:
    """Return coordinates on the device and in the type of `like`, from a bounded cache.

    Args:
        like: A tensor; one that only stands for others, as when tracing, is not cached for.
        size: S, the sides of the grid.
        centred: Whether odd sides have integer coordinates.
        half: Whether the bins of the half spectrum and then their mirrors are listed, in DFT
            order, instead of the whole grid with the zero frequency in the middle.

    Returns:
        (D, N) or, if half, (D, 2Q); the coordinate of the last axis first.
    """
    plain = type(like) is Tensor and not torch.compiler.is_compiling()
    build = _cached_points if plain else _build_points
    return build(size, centred, half, like.device, like.dtype)


def _build_points(
    size: tuple[int, ...], centred: bool, half: bool, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return coordinates (D, N), or those of every bin and of its mirror (D, 2Q)."""
    axes = [_axis(side, centred, device, dtype) for side in size]
    if not half:
        return _mesh([axis.roll(side // 2) for axis, side in zip(axes, size, strict=True)])
    mirrored = [axis.flip(0).roll(1) for axis in axes]
    bins = size[-1] // 2 + 1
    sides = [_mesh([*part[:-1], part[-1][:bins]]) for part in (axes, mirrored)]
    return torch.cat(sides, 1)


@lru_cache(maxsize=64)
def _cached_points(
    size: tuple[int, ...], centred: bool, half: bool, device: torch.device, dtype: torch.dtype
) -> Tensor:
    # A tensor made in inference mode could not be saved for a later backward pass.
    with torch.inference_mode(mode=False), torch.no_grad():
        return _build_points(size, centred, half, device, dtype)


def _axis(side: int, centred: bool, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the coordinate of every DFT index; the Nyquist frequency is negative."""
    index = torch.arange(side, device=device, dtype=dtype)
    wrapped = (index + side // 2) % side - side // 2
    return wrapped if centred or side % 2 == 0 else wrapped - 0.5


def _mesh(axes: list[Tensor]) -> Tensor:
    """Return the planes of a grid as (D, N), that of the last axis first."""
    planes = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([plane.flatten() for plane in reversed(planes)])
