"""Dynamic form of GMConv: a sigma per image, and the convolution with one mask per image.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, T taps of the
kernel, S spatial sides, n sigmas per image (1 or O), h width of the head.
"""

import hashlib
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.operators.gaussian_mask import effective_sigma, stored_sigma
from kbench.operators.geometry import CONVOLUTIONS, Geometry
from kbench.operators.gmconv_options import Execution
from kbench.operators.precision import computing_dtype, without_autocast

MAX_GROUPED_ELEMENTS = 10**8


class Affine(nn.Module):
    """Linear map with bias that an initialiser of `torch.nn.Linear` does not reach.

    An architecture's own initialiser would otherwise draw other random numbers than for the plain
    network, and overwrite the zeros that make the dynamic form start as the static one.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_features) to (B, out_features)."""
        return F.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class SigmaHead(nn.Module):
    """Small network that predicts sigma from the mean of an image over space.

    Args:
        in_channels: I, of all groups together.
        hidden: h, the width between the two maps.
        num_sigmas: n.
        sigma_init: What it predicts for every image at the start.
    """

    def __init__(self, in_channels: int, hidden: int, num_sigmas: int, sigma_init: float) -> None:
        super().__init__()
        self.sigma_init = sigma_init
        self.fc1 = Affine(in_channels, hidden)
        self.fc2 = Affine(hidden, num_sigmas)
        self.draw(0)

    @torch.no_grad()
    def draw(self, index: int) -> None:
        """Initialise from the global seed and the layer's index, leaving torch's generator alone.

        `fc1` is as `torch.nn.Linear`; `fc2` predicts `sigma_init`.
        """
        digest = hashlib.sha256(f"{torch.initial_seed()} {index}".encode()).digest()
        generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big"))
        bound = self.fc1.weight.shape[1] ** -0.5
        for parameter in self.fc1.parameters():
            fresh = torch.empty(parameter.shape, dtype=torch.float32, device="cpu")
            parameter.copy_(fresh.uniform_(-bound, bound, generator=generator))
        self.fc2.weight.zero_()
        self.fc2.bias.fill_(stored_sigma(self.sigma_init, "softplus"))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to sigmas (B, n), in float32 or wider."""
        dtype = computing_dtype(self.fc1.weight)
        with without_autocast(x):
            mean = x.mean(dim=tuple(range(2, x.dim())), dtype=dtype)
            return effective_sigma(self.fc2(F.relu(self.fc1(mean))), "softplus")


def convolve_per_image(
    geometry: Geometry,
    x: Tensor,
    weight: Tensor,
    masks: Tensor,
    exponents: Tensor,
    rings: tuple[int, ...],
    execution: Execution,
) -> Tensor:
    """Convolve every image with the weight under its own mask.

    `auto` takes the grouped form while the kernels of all images have at most 1e8 elements, else
    the rings: a rule on shapes, never on timings.

    Args:
        geometry: The arguments of the convolution.
        x: Images, (B, I, *S).
        weight: (O, I/G, *K).
        masks: (B, n, 1, *K), equal on all taps of one radius.
        exponents: What `GaussianMask.exponents_for` returns.
        rings: What `GaussianMask.rings` returns.
        execution: `loop`, `grouped` and `rings` are algebraically equal.

    Shape:
        - output: (B, O, *S')
    """
    batch = x.shape[0]
    if batch == 0:
        return geometry.convolve(x, weight)
    if execution == "auto":
        is_small = batch * weight.numel() <= MAX_GROUPED_ELEMENTS
        execution = "grouped" if is_small else "rings"
    if execution == "rings":
        return _convolve_rings(geometry, x, weight, masks, exponents, rings)
    kernels = (weight * masks).to(weight.dtype)  # (B, O, I/G, *K)
    if execution == "loop":
        pairs = zip(torch.split(x, 1), kernels, strict=True)
        return torch.cat([geometry.convolve(image, kernel) for image, kernel in pairs])
    joined = replace(
        geometry,
        in_channels=geometry.in_channels * batch,
        out_channels=geometry.out_channels * batch,
        groups=geometry.groups * batch,
    )
    y = joined.convolve(x.flatten(0, 1).unsqueeze(0), kernels.flatten(0, 1))  # (1, B O, *S')
    return y.reshape(batch, geometry.out_channels, *y.shape[2:])


def _convolve_rings(
    geometry: Geometry,
    x: Tensor,
    weight: Tensor,
    masks: Tensor,
    exponents: Tensor,
    rings: tuple[int, ...],
) -> Tensor:
    """Add up one convolution per distinct radius, scaled by the mask's value there."""
    values = masks.flatten(3)[:, :, 0]  # (B, n, T)
    y = part = x.new_zeros(())
    has_centre = all(side % 2 for side in geometry.kernel_size)
    for ring, tap in enumerate(rings):
        if has_centre and ring == 0:
            part = _convolve_centre(geometry, x, weight.flatten(2)[:, :, tap])
        else:
            part = geometry.convolve(x, weight * (exponents == exponents.flatten()[tap]))
        y = y + values[:, :, tap, *(None,) * geometry.dims] * part  # (B, O, *S')
    return y.to(part.dtype)


def _convolve_centre(geometry: Geometry, x: Tensor, weight: Tensor) -> Tensor:
    """Convolve with the centre tap (O, I/G) alone: a 1x1 kernel on the input moved under it."""
    pads = geometry.padding
    if geometry.padding_mode != "zeros":
        x, pads = geometry.pad(x), ((0, 0),) * geometry.dims
    reaches = [d * (k // 2) for d, k in zip(geometry.dilation, geometry.kernel_size, strict=True)]
    axes = zip(reversed(pads), reversed(reaches), strict=True)
    amounts = [side - reach for pair, reach in axes for side in pair]
    x = F.pad(x, amounts) if any(amounts) else x
    weight = weight[(..., *(None,) * geometry.dims)]  # (O, I/G, *1)
    return CONVOLUTIONS[geometry.dims](x, weight, None, geometry.stride, 0, 1, geometry.groups)
