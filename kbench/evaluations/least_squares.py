"""Fit of a picture by the functions that a layer mixes, in closed form and without training.

N-Jet, arXiv 2106.03412, Figure 3: patches of colour pixels as mixtures of Gaussian derivatives.

Shapes: C channels, H and W height and width of the picture, F functions, K sides of the functions.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.errors import UnsupportedError
from kbench.evaluations.arrays import write_arrays
from kbench.evaluations.layers import find_layers
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS
from kbench.tasks.fitting import Fitting, psnr


def inside(maps: Tensor, border: int) -> Tensor:
    """Return maps (..., H, W) without `border` pixels at each edge."""
    height, width = maps.shape[-2:]
    return maps[..., border : height - border, border : width - border]


def fit_mixture(picture: Tensor, basis: Tensor, border: int = 0) -> tuple[Tensor, Tensor]:
    """Return coefficients (F, C), and the mixture (C, H, W) nearest to a picture.

    Of several nearest ones it is that of the smallest coefficients. Functions and picture share
    their centre; functions that are larger are cut, smaller ones lie among zeros.

    Args:
        picture: (C, H, W), H and W odd.
        basis: (F, *K), sides odd.
        border: Pixels at each edge of the picture that do not count.
    """
    pads = [(side - own) // 2 for own, side in zip(basis.shape[1:], picture.shape[1:], strict=True)]
    functions = F.pad(basis, (pads[1], pads[1], pads[0], pads[0])).double().cpu()  # (F, H, W)
    system = inside(functions, border).flatten(1).t()  # (P, F), P pixels that count
    values = inside(picture.double().cpu(), border).flatten(1).t()  # (P, C)
    coefficients = torch.linalg.lstsq(system, values, driver="gelsd").solution  # (F, C)
    return coefficients, torch.einsum("fc,fhw->chw", coefficients, functions)


@EVALUATIONS.register("least_squares")
def least_squares(network: Evaluated, *, border: int = 0) -> Iterator[tuple[str, float]]:
    """Errors of the nearest mixture of a layer's `basis` to a picture, over the pixels that count.

    The layer is the first one that mixes a basis, with the size that it has learned; its own
    coefficients do not matter. `border` pixels at each edge neither are fitted nor count. The
    coefficients and the mixture are written to `least_squares.npz`. Nothing is measured where no
    picture is fitted or no layer mixes a basis.
    """
    layers = [layer for layer in find_layers(network) if hasattr(layer.module, "basis")]
    if not isinstance(network.task, Fitting) or not layers:
        return
    picture = next(iter(network.loader.batches(0))).targets[0]  # (C, H, W)
    least = min(picture.shape[1:])
    if not 0 <= border < (least + 1) // 2:
        message = f"least_squares: border (={border}) must be 0 to {(least - 1) // 2}"
        raise UnsupportedError(message)
    with torch.no_grad():
        coefficients, mixture = fit_mixture(picture, layers[0].module.basis(), border)
    errors = inside(mixture - picture.double().cpu(), border)
    yield "least_squares_mse", float(errors.square().mean())
    if network.task.value_range is not None:
        clamped = mixture.clamp(*network.task.value_range)
        errors = inside(clamped - picture.double().cpu(), border)
    yield "least_squares_psnr", psnr(float(errors.square().mean()))
    write_arrays(
        network.directory / "least_squares.npz",
        {"coefficients": coefficients, "mixture": mixture},
    )
