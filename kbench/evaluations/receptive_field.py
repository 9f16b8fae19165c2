"""Effective receptive field: how much each pixel moves the centre of the last map.

Protocol of Ding et al. as GMConv, section 9 has it, and that of N-Jet, section 9; theory in Luo et
al., NIPS 2016.

Shapes: B images, C channels, S spatial sides.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.evaluations.arrays import write_arrays
from kbench.evaluations.layers import evaluating, hooked
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS

Gradient = Literal["relu", "absolute"]

SHARES = (0.2, 0.3, 0.5, 0.99)
MAX_VALUES = 2**20  # values of the images of one pass, which bounds its memory
# Poolings to a fixed number of positions: part of a classifier, as AlexNet's 6x6, at any input.
FIXED_POOLINGS = (
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
)


def square_side(field: Tensor, share: float) -> int:
    """Return the side of the smallest centred square with more than a share of the map's sum.

    The square is [c - i, c + i] on every axis, c = h // 2, clipped to the map, with the smallest i
    >= 0; the side is min(2 i + 1, h), h being the longest side of the map.

    Args:
        field: (*S), not negative, with a positive sum.
        share: 0 to 1, less than 1.
    """
    axes = [(torch.arange(side) - side // 2).abs() for side in field.shape]
    distance = torch.stack(torch.meshgrid(*axes, indexing="ij")).amax(0).flatten()
    rings = torch.zeros(int(distance.max()) + 1, dtype=torch.float64)
    inside = rings.index_add_(0, distance, field.double().cpu().flatten()).cumsum(0)
    reach = int((inside <= share * inside[-1]).sum())
    return min(2 * reach + 1, max(field.shape))


def logarithmic(field: Tensor) -> Tensor:
    """Return log10(x + 1) of a map, divided by its largest value."""
    values = torch.log10(field + 1)
    return values / values.max()


def deviations(field: Tensor) -> list[float]:
    """Return the standard deviation of a map (*S) about its mean on every axis, in pixels."""
    found = []
    for axis in range(field.ndim):
        weights = field.double().cpu().movedim(axis, 0).flatten(1).sum(1)
        weights = weights / weights.sum()
        taps = torch.arange(len(weights), dtype=torch.float64)
        mean = (weights * taps).sum()
        found.append(math.sqrt(float((weights * (taps - mean).square()).sum())))
    return found


def input_gradient(
    model: nn.Module, inputs: Tensor, gradient: Gradient = "relu", layer: str | None = None
) -> Tensor:
    """Return the sum over images and channels of the centre's gradient with respect to the input.

    The centre is the map's position with index side // 2 on every axis, summed over its channels.

    Args:
        model: In evaluation mode.
        inputs: (B, C, *S).
        gradient: What is summed: the `relu` of the gradient of relu(map), as GMConv, section 9.2,
            or the absolute value of the map's own gradient, as N-Jet, section 9.
        layer: Name of the module whose output is the map; by default the last one that the
            network computes with the input's number of axes and more than one position, before
            it is pooled to a fixed number of positions.

    Returns:
        (*S), float64.

    Raises:
        UnsupportedError: If there is no such map.
    """
    maps: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        is_map = isinstance(output, Tensor) and output.ndim == inputs.ndim
        if isinstance(output, Tensor) and is_map and max(output.shape[2:]) > 1:
            maps[:] = [output]

    modules = _before_fixed_pooling(model) if layer is None else [_find_module(model, layer)]
    inputs = inputs.detach().requires_grad_()
    with hooked(modules, keep), torch.enable_grad():
        model(inputs)
        if not maps:
            message = "receptive_field: the network has no map with more than one position"
            raise UnsupportedError(message)
        centre = maps[0]
        while centre.ndim > 2:
            centre = centre.select(-1, centre.shape[-1] // 2)
        centre = centre.relu() if gradient == "relu" else centre
        (found,) = torch.autograd.grad(centre.sum(), inputs)
    found = found.relu() if gradient == "relu" else found.abs()
    return found.double().sum((0, 1))


@EVALUATIONS.register("receptive_field")
def receptive_field(
    network: Evaluated,
    *,
    images: int = 50,
    side: int | None = None,
    gradient: Gradient = "relu",
    layer: str | None = None,
) -> Iterator[tuple[str, float]]:
    """Sides, areas and deviations of the effective receptive field, over the first test images.

    Sides and areas of the squares with 20, 30, 50 and 99 % of the map, on the map as it is and on
    its logarithm, which the authors of the protocol measure. The map is written to `erf.npz`.
    `images` of a `side` other than their own are resized, bicubic.
    """
    field: Tensor | None = None
    count = 0
    with evaluating(network.model):
        for inputs in _first_images(network, images, side):
            found = input_gradient(network.model, inputs, gradient, layer)
            field = found if field is None else field + found
            count += len(inputs)
    if field is None or not bool(field.isfinite().all()) or not float(field.sum()) > 0:
        total = None if field is None else float(field.sum())
        message = f"receptive_field: the map's sum is {total}, it must be finite and above 0"
        raise UnsupportedError(message)
    field = field / count
    for suffix, values in (("", field), ("_log", logarithmic(field))):
        for share in SHARES:
            found_side = square_side(values, share)
            yield f"erf_side{suffix}.{share:.0%}".rstrip("%"), found_side
            area = math.prod(min(found_side, length) for length in field.shape)
            yield f"erf_area{suffix}.{share:.0%}".rstrip("%"), area / field.numel()
    for axis, deviation in enumerate(deviations(field)):
        yield f"erf_sd.axis{axis}", deviation
    yield "erf_input_side", max(field.shape)
    write_arrays(network.directory / "erf.npz", {"map": field})


def _first_images(network: Evaluated, count: int, side: int | None) -> Iterator[Tensor]:
    """Yield the first images of the test split, resized, as many at once as memory allows."""
    remaining = count
    for batch in network.loader.batches(0):
        inputs = batch.inputs[:remaining]
        sides = inputs.shape[2:] if side is None else (side,) * (inputs.ndim - 2)
        size = max(1, MAX_VALUES // (inputs.shape[1] * math.prod(sides)))
        for part in torch.split(inputs, size):
            if tuple(part.shape[2:]) == tuple(sides):
                yield part
            else:
                yield F.interpolate(part, sides, mode="bicubic", align_corners=False)
        remaining -= len(inputs)
        if remaining <= 0:
            return


def _before_fixed_pooling(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if not isinstance(module, FIXED_POOLINGS)]


def _find_module(model: nn.Module, name: str) -> nn.Module:
    with contextlib.suppress(AttributeError):
        return model.get_submodule(name)
    message = f"receptive_field: the network has no layer {name!r}"
    raise UnsupportedError(message)
