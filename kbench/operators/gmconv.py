"""Convolution whose kernel lies under a Gaussian mask of learned width (GMConv).

Chen, Li, Ning, Lin, He, "GMConv: Modulating Effective Receptive Fields for Convolutional Kernels",
arXiv 2302.04544. The mask is the abstract's; how sigma is shared, stored, started and predicted is
kbench's reading, since the abstracts do not say.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, S spatial sides.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from kbench.errors import UnfoldableError
from kbench.operators.gaussian_mask import GaussianMask, effective_sigma, stored_sigma
from kbench.operators.geometry import Geometry, Padding, Size
from kbench.operators.gmconv_dynamic import SigmaHead, convolve_per_image
from kbench.operators.gmconv_options import GMConvOptions
from kbench.operators.options import takes
from kbench.registry import OPERATORS, OPERATORS_1D

ParameterGroups = dict[str, tuple[list[nn.Parameter], float, float | None]]
LEAST_LIVE_SIGMA = 0.2  # in taps


@takes(GMConvOptions)
class _GMConv(nn.Module):
    """Masked convolution of any number of axes, over torch's convolution as the sibling base."""

    version: ClassVar[int] = 1
    dims: ClassVar[int]
    is_translation_equivariant: ClassVar[bool] = True
    weight: Tensor
    bias: Tensor | None
    exponents: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        **options: Any,  # noqa: ANN401 - fields of `GMConvOptions`
    ) -> None:
        given = GMConvOptions(**options)
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        geometry = Geometry.of(*sizes, dims=self.dims, padding_mode=given.padding_mode)
        shape = (given.coord, given.normalise, given.eps)
        mask = GaussianMask.of("gmconv", geometry.kernel_size, *shape)
        gain = mask.gain("gmconv", given.sigma_init, given.init_gain)
        given.check()
        super().__init__(*sizes, bias, given.padding_mode)
        self.geometry, self.mask, self.gain, self.options = geometry, mask, gain, given
        self.rings = mask.rings()
        self.register_buffer("exponents", mask.exponents_for(self.weight), persistent=False)
        if given.variant == "static":
            stored = torch.full(self._sigma_shape(), stored_sigma(given.sigma_init, given.param))
            self.sigma_raw = nn.Parameter(stored, requires_grad=given.learn_sigma)
        else:
            hidden = max(in_channels // given.reduction, given.head_min)
            num_sigmas = out_channels if given.share == "out" else 1
            self.head = SigmaHead(in_channels, hidden, num_sigmas, given.sigma_init)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move and cast as any module, but keep `exponents` exact."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call] # torch has no annotation
        self.exponents = self.mask.exponents_for(self.weight)
        return self

    def _sigma_shape(self) -> tuple[int, ...]:
        """Return one sigma per output and input channel, or 1 where they share it."""
        out_channels, in_channels = self.geometry.weight_shape[:2]
        rows = out_channels if self.options.share in ("out", "kernel") else 1
        columns = in_channels if self.options.share in ("in", "kernel") else 1
        return (rows, columns, *(1,) * self.dims)

    @property
    def num_params(self) -> int:
        """Number of parameters: those of the plain convolution, and sigma or its head."""
        geometry, options = self.geometry, self.options
        plain = geometry.out_channels * (geometry.fan_in + (self.bias is not None))
        if options.variant == "static":
            return plain + math.prod(self._sigma_shape())
        hidden = max(geometry.in_channels // options.reduction, options.head_min)
        num_sigmas = geometry.out_channels if options.share == "out" else 1
        return plain + (geometry.in_channels + 1) * hidden + (hidden + 1) * num_sigmas

    @property
    def sigma(self) -> Tensor:
        """Effective sigma of the static form, (O or 1, I/G or 1, *1); the dynamic form has none."""
        return effective_sigma(self.sigma_raw, self.options.param)

    def sigma_of(self, x: Tensor) -> Tensor:
        """Return the sigma of every image for x of (B, I, *S): (B, O) for `share` `out`, or (B, 1).

        Raises:
            TypeError: For the static form, whose `sigma` depends on no input.
        """
        self._require("dynamic", "sigma_of")
        return self.head(x)

    def effective_kernel_for(self, sigma: Tensor) -> Tensor:
        """Return the weight masked by sigma (..., 1 or O, 1 or I/G, *1): (..., O, I/G, *K)."""
        return (self.weight * self.mask(self.exponents, sigma)).to(self.weight.dtype)

    def effective_kernel(self, size: tuple[int, ...] | None = None) -> Tensor:  # noqa: ARG002 - the same at every size
        """Return the masked weight (O, I/G, *K), which inputs of every size see.

        Raises:
            TypeError: For the dynamic form, whose kernel depends on the input.
        """
        self._require("static", "effective_kernel")
        return self.effective_kernel_for(self.sigma)

    def fold(self) -> nn.Module:
        """Return an equal plain convolution.

        Raises:
            TypeError: For the dynamic form, which equals none.
        """
        self._require("static", "fold")
        return self.geometry.plain(self.effective_kernel(), self.bias)

    def _require(self, variant: str, method: str) -> None:
        if self.options.variant != variant:
            message = (
                f"gmconv: variant (={self.options.variant!r}) has no {method}: needs {variant!r}"
            )
            raise UnfoldableError(message)

    def quantities(self) -> dict[str, tuple[float, ...]]:
        """Return the mean of |sigma| and the share of sigmas that training cannot revive.

        Below 0.2 taps the mask is zero next to the centre and its gradient too (section 2.7).
        The dynamic form has none without an input: see `quantities_of`.
        """
        if self.options.variant == "dynamic":
            return {}
        sigma = self.sigma.detach().abs()
        corner = math.hypot(*((side - 1) / 2 for side in self.geometry.kernel_size))
        taps = sigma * corner if self.options.coord == "unit" and corner else sigma
        is_dead = (taps < LEAST_LIVE_SIGMA).to(sigma.dtype)
        return {"sigma": (float(sigma.mean()),), "dead_sigma": (float(is_dead.mean()),)}

    def quantities_of(self, x: Tensor) -> dict[str, Tensor]:
        """Return the sigmas (B, n) predicted for x of (B, I, *S); the static form predicts none."""
        return {} if self.options.variant == "static" else {"sigma": self.sigma_of(x)}

    def parameter_groups(self) -> ParameterGroups:
        """Return the stored sigma with its rate and decay; a predicted or frozen one has none."""
        if self.options.variant == "dynamic" or not self.options.learn_sigma:
            return {}
        decay = self.options.sigma_weight_decay
        own_decay = None if decay == "same" else decay
        return {"sigma": ([self.sigma_raw], self.options.sigma_lr_scale, own_decay)}

    @staticmethod
    def after_init(modules: list["_GMConv"]) -> None:
        """Apply `init_gain` to the final initial weights and draw every head from its index."""
        for index, module in enumerate(modules):
            with torch.no_grad():
                module.weight.mul_(module.gain)
            if module.options.variant == "dynamic":
                module.head.draw(index)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S')."""
        if self.options.variant == "static":
            return self.geometry.convolve(x, self.effective_kernel(), self.bias)
        if x.dim() == self.dims + 1:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        singletons = (None,) * (self.dims + 1)
        masks = self.mask(self.exponents, self.sigma_of(x)[(..., *singletons)])
        shared = (self.weight, masks, self.exponents, self.rings, self.options.execution)
        y = convolve_per_image(self.geometry, x, *shared)
        return y if self.bias is None else y + self.bias.to(y.dtype).view(-1, *(1,) * self.dims)


@OPERATORS_1D.register("gmconv")
class GMConv1d(_GMConv, nn.Conv1d):
    """1-D form of `GMConv2d`: a mask over the taps of a line."""

    dims = 1


@OPERATORS.register("gmconv")
class GMConv2d(_GMConv, nn.Conv2d):
    r"""Plain 2-D convolution whose kernel is multiplied by a concentric Gaussian mask.

    The effective kernel is :math:`W_{oiyx} \exp(-r^2 / (2 \sigma^2 + \epsilon))`, where r is the
    distance of tap (y, x) from the kernel's centre. `static`: sigma is a parameter. `dynamic`: per
    image, sigma = softplus(FC2(relu(FC1(mean of x over space)))), starting at `sigma_init`.

    The static form spans exactly the plain convolution's functions, so sigma describes training,
    not the function. All defaults but the mask itself are ours, as no code is public.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, or (height, width), odd or even.
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps, in input pixels; the mask counts taps, not pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O, which no mask covers, is added to the output.
        options: Fields of `GMConvOptions`, keyword-only.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: As `torch.nn.Conv2d`, or if an option is out of range or without effect for the
            variant.

    Example:
        >>> conv = GMConv2d(3, 8, 3, padding=1)
        >>> conv(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
        >>> type(conv.fold()).__name__
        'Conv2d'
    """

    dims = 2
