"""N-Jet: filters as learned mixtures of Gaussian derivatives, with a learned sigma per layer.

Pintea et al., Resolution learning in deep convolutional networks using scale-space theory, 2021.

Shapes: B batch, I input channels, O output channels, G groups, F basis functions, K kernel sides,
S spatial sides, H and W input height and width, H' and W' output height and width.
"""

import copy
import math
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from kbench.operators.gaussian_derivatives import (
    Window,
    basis_energy,
    derivative_orders,
    gaussian_basis,
    gaussian_rows,
)
from kbench.operators.geometry import Geometry, Padding, Size
from kbench.operators.host_copy import HostCopies, stamp_of
from kbench.operators.njet_forms import basis_then_mix, mixed_filter, row_mix_col
from kbench.operators.njet_options import LEAST_SCALE, NJetOptions
from kbench.operators.njet_parts import (
    Decays,
    Placement,
    SafeSubsample,
    SafeSubsampling,
    SigmaOfResolution,
    same_axes,
    sigma_at_reach,
)
from kbench.operators.options import takes
from kbench.operators.precision import computing_dtype
from kbench.registry import OPERATORS, OPERATORS_1D

LARGEST_SCALE = 64.0  # bounds the host's arithmetic only


@takes(NJetOptions)
class _NJet(SigmaOfResolution):
    """N-Jet layer of `dims` axes."""

    version: ClassVar[int] = 1
    dims: ClassVar[int]
    is_translation_equivariant: ClassVar[bool] = True
    row_mix_col_least_taps: ClassVar[int] = 11
    row_mix_col_least_channels: ClassVar[int] = 64
    row_mix_col_wide_taps: ClassVar[int] = 27
    row_mix_col_wide_channels: ClassVar[int] = 16
    row_mix_col_largest_order: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Padding = "same",
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        **options: Any,  # noqa: ANN401 - fields of `NJetOptions`
    ) -> None:
        super().__init__()
        given = NJetOptions(**options)
        pads = 0 if isinstance(padding, str) else padding
        arguments = (in_channels, out_channels, kernel_size, stride, pads, dilation, groups)
        geometry = Geometry.of(*arguments, dims=self.dims, padding_mode=given.padding_mode)
        safe = (given.safe_subsample, given.safe_rule, given.safe_position, given.safe_layers)
        self.subsampling, self.geometry = SafeSubsampling(*safe).at(geometry)
        self.placement = Placement(self.geometry, same_axes(padding, self.geometry))
        given.check()
        self.order, self.sigma_init, self.sigma_scale = (
            given.order,
            given.sigma_init,
            given.sigma_scale,
        )
        self.gauss_norm, self.alpha_init = given.gauss_norm, given.alpha_init
        self.execution = given.execution
        if given.execution == "masked" and given.size_rule != "fixed":
            self.placement.refuse_literal_padding()
        reach = (given.size_rule, given.extent, given.max_radius)
        self.window = Window(*reach, self.geometry.kernel_size)
        rates = (given.sigma_lr_scale, given.sigma_weight_decay)
        self.decays = Decays(given.alpha_penalty, given.alpha_weight_decay, *rates)
        functions = len(derivative_orders(given.order, self.dims))
        self.alpha = nn.Parameter(torch.empty(functions, in_channels // groups, out_channels))
        self.scale = nn.Parameter(torch.empty(1), requires_grad=given.learn_sigma)
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self._copies = HostCopies()
        self._slot = self._copies.add(self.scale)
        self._cache: tuple[tuple[object, ...], Tensor] | None = None
        self.reset_parameters()

    @property
    def num_params(self) -> int:
        """Number of parameters: alpha, sigma and the bias."""
        functions = math.comb(self.order + self.dims, self.dims)
        weights = functions * self.geometry.in_channels // self.geometry.groups + (
            self.bias is not None
        )
        return weights * self.geometry.out_channels + 1

    @property
    def conformance_exceptions(self) -> dict[str, str]:
        """Where the size of the output follows sigma, and what the host has to read."""
        found = {}
        if self.subsampling.ratio is not None:
            reason = "safe subsampling makes the output smaller"
            found = {"shape": reason, "equivariance": reason}
        elif self.window.rule != "fixed" and not all(self.placement.same_axes):
            found = {"shape": "literal padding: the window and the output's size follow sigma"}
        if self.window.rule != "fixed" and self.execution != "masked":
            found["compile"] = "the size of the window follows sigma, which the host reads"
        return found

    @classmethod
    def after_init(cls, modules: list[Self]) -> None:
        """Let the layers of a network read their sigmas together."""
        copies = HostCopies()
        for module in modules:
            module._copies, module._slot = copies, copies.add(module.scale)  # noqa: SLF001 - own class

    def reset_parameters(self) -> None:
        """Draw alpha, then the bias, and set sigma to `sigma_init`."""
        channels = self.alpha.shape[1]
        radii = self.window.radii(self.sigma_init)
        deviation = {"unit": 1.0, "dcn": 0.1}.get(self.alpha_init)
        if deviation is None:
            energy = basis_energy(self.sigma_init, self.order, radii, self.gauss_norm)
            deviation = math.sqrt(2 / (channels * energy))
        nn.init.normal_(self.alpha, std=deviation)
        nn.init.constant_(self.scale, math.log2(self.sigma_init))
        if self.bias is not None:
            bound = 1 / math.sqrt(channels * math.prod(2 * radius + 1 for radius in radii))
            nn.init.uniform_(self.bias, -bound, bound)

    @property
    def sigma(self) -> Tensor:
        """Sigma in taps, with `sigma_scale`, of shape (1,); differentiable."""
        scale = self.scale.to(computing_dtype(self.scale))
        # The bound moves the value, never the gradient: as if the optimiser had projected.
        bounded = scale + (scale.clamp(min=LEAST_SCALE) - scale).detach()
        return torch.exp2(bounded) * self.sigma_scale

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Sides of the window for the present sigma."""
        return tuple(2 * radius + 1 for radius in self._radii())

    @property
    def bounds_hit(self) -> tuple[str, ...]:
        """Names of the bounds that act on the present sigma."""
        hits = {
            "sigma_floor": self.scale.item() <= LEAST_SCALE,
            "max_radius": self.window.is_capped(self._host_sigma() * self.sigma_scale),
        }
        return tuple(name for name, is_hit in hits.items() if is_hit)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S')."""
        if self.subsampling.ratio is None:
            return self._convolve(x)
        factor = self.subsampling.factor(self._host_sigma())
        if self.subsampling.position == "before":
            return self._convolve(SafeSubsample(factor, self.dims)(x))
        return SafeSubsample(factor, self.dims)(self._convolve(x))

    def effective_kernel(self, size: Size | None = None) -> Tensor:
        """Return the filter (O, I/G, *K); without taps that only meet padding, if `size` is given.

        Args:
            size: Input side, or one side per axis.
        """
        full = self._radii()
        sides = (size,) * self.dims if isinstance(size, int) else size
        return self._build(full, full if sides is None else self.placement.crop(full, sides))

    def basis(self) -> Tensor:
        """Return the functions that filters are mixtures of, (F, *K), for the present sigma."""
        radii = self._radii()
        return gaussian_basis(self._rows(radii, radii))

    def fold(self) -> nn.Module:
        """Return a plain convolution with the present filter, and the subsampling if any."""
        radii = self._radii()
        plain = self.placement.geometry_at(radii).plain(
            self._build(radii, radii).detach(), self.bias
        )
        if self.subsampling.ratio is None:
            return plain
        subsample = SafeSubsample(self.subsampling.factor(self._host_sigma()), self.dims)
        is_first = self.subsampling.position == "before"
        return nn.Sequential(subsample, plain) if is_first else nn.Sequential(plain, subsample)

    def with_reach(self, reach: int) -> Self:
        """Return a layer of the same alpha and bias, with a sigma of its own.

        Args:
            reach: Pixels from the centre of the window to its end, before rounding: `extent` times
                the initial sigma.

        Raises:
            UnsupportedError: If the size of the window is fixed.
            ValueError: If the sigma is out of range.
        """
        sigma_init = sigma_at_reach(reach, self.window, self.geometry)
        shared = (self.alpha, self.bias, self._copies)
        twin = copy.deepcopy(self, {id(part): part for part in shared})
        twin.sigma_init = sigma_init
        nn.init.constant_(twin.scale, math.log2(sigma_init))
        twin._slot = self._copies.add(twin.scale)  # noqa: SLF001 - own class
        return twin

    def regularisation(self) -> Tensor:
        """Return w (sigma + |alpha|), w the `alpha_weight_decay`, for `frobenius`, else zero."""
        if self.decays.alpha_penalty != "frobenius" or self.decays.alpha_weight_decay is None:
            return self.alpha.new_zeros(())
        norm = torch.linalg.vector_norm(self.alpha)
        return self.decays.alpha_weight_decay * (torch.exp2(self.scale).sum() + norm)

    def quantities(self) -> dict[str, tuple[float, ...]]:
        """Return sigma in taps, the window's side (or sides that differ) and bounds that act."""
        sides = tuple(dict.fromkeys(self.kernel_size))
        sigma, num_bounds = float(self.sigma.detach()), len(self.bounds_hit)
        return {"sigma": (sigma,), "kernel_size": sides, "bounds_hit": (num_bounds,)}

    def parameter_groups(self) -> dict[str, tuple[list[nn.Parameter], float, float | None]]:
        """Return alpha and scale with their factor of the learning rate and weight decay."""
        decays = self.decays
        return {
            "njet_alpha": ([self.alpha], 1.0, decays.alpha_group),
            "njet_scale": ([self.scale], decays.sigma_lr_scale, decays.sigma_weight_decay),
        }

    def extra_repr(self) -> str:
        """Return the arguments that matter in a printed network."""
        geometry = self.geometry
        return (
            f"{geometry.in_channels}, {geometry.out_channels}, order={self.order}, "
            f"stride={geometry.stride}, groups={geometry.groups}, sigma_init={self.sigma_init}, "
            f"learn_sigma={self.scale.requires_grad}"
        )

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_cache": None}

    def _host_sigma(self) -> float:
        """Return sigma without `sigma_scale`, after projecting a trained one onto its range."""
        if self.scale.is_meta:
            return self.sigma_init
        scale = self._copies.read(self._slot, self.scale)
        if scale < LEAST_SCALE and self.training and self.scale.requires_grad:
            with torch.no_grad():
                self.scale.clamp_(min=LEAST_SCALE)
        return float(2.0 ** min(max(scale, LEAST_SCALE), LARGEST_SCALE))

    def _radii(self) -> tuple[int, ...]:
        if self.window.rule == "fixed":
            return self.window.radii(self.sigma_init)
        return self.window.radii(self._host_sigma() * self.sigma_scale)

    def _form(self, radii: tuple[int, ...]) -> str:
        if self.execution != "auto":
            return self.execution
        taps, channels = min(radii) * 2 + 1, min(self.alpha.shape[1:])
        is_wide = taps >= self.row_mix_col_wide_taps and channels >= self.row_mix_col_wide_channels
        is_large = (
            taps >= self.row_mix_col_least_taps and channels >= self.row_mix_col_least_channels
        )
        is_possible = self.dims == 2 and self.geometry.groups == 1
        pays = (is_wide or is_large) and self.order <= self.row_mix_col_largest_order
        return "row_mix_col" if is_possible and pays else "dense"

    def _convolve(self, x: Tensor) -> Tensor:
        cap = self.window.max_radius
        is_masked = self.execution == "masked" and self.window.rule != "fixed"
        full = self._radii() if cap is None or not is_masked else (cap,) * self.dims
        radii = self.placement.crop(full, tuple(x.shape[-self.dims :]))
        form = self._form(radii)
        geometry = self.placement.geometry_at(radii)
        if form not in ("row_mix_col", "basis"):
            return geometry.convolve(x, self._kernel(full, radii, is_masked=is_masked), self.bias)
        rows = [row.to(self.alpha.dtype) for row in self._rows(full, radii)]
        mix = row_mix_col if form == "row_mix_col" else basis_then_mix
        batch = x if x.dim() == self.dims + 2 else x[None]
        y = mix(batch, self.alpha, rows, geometry)
        if self.bias is not None:
            y = y + self.bias.view(-1, *(1,) * self.dims).to(y.dtype)
        return y if x.dim() == self.dims + 2 else y[0]

    def _kernel(self, full: tuple[int, ...], radii: tuple[int, ...], *, is_masked: bool) -> Tensor:
        """Return `_build`, kept from call to call while nothing is trained."""
        is_kept = not (self.training or torch.is_grad_enabled() or torch.compiler.is_compiling())
        stamps = [stamp_of(parameter) for parameter in (self.alpha, self.scale) if is_kept]
        if not is_kept or None in stamps:
            self._cache = None
            return self._build(full, radii, is_masked=is_masked)
        kind = (self.alpha.dtype, self.alpha.device)
        key = (*stamps, *kind, full, radii, self.sigma_scale)
        if self._cache is None or self._cache[0] != key:
            self._cache = (key, self._build(full, radii, is_masked=is_masked))
        return self._cache[1]

    def _build(
        self, full: tuple[int, ...], radii: tuple[int, ...], *, is_masked: bool = False
    ) -> Tensor:
        """Return the filter (O, I/G, *K), built in float32 at least."""
        return mixed_filter(self.alpha, self._rows(full, radii, is_masked=is_masked))

    def _rows(
        self, full: tuple[int, ...], radii: tuple[int, ...], *, is_masked: bool = False
    ) -> list[Tensor]:
        """Return the rows of each axis, normalised over `full`, then cut to `radii`."""
        sigma = self.sigma
        window = self.window.radius_on_device(sigma) if is_masked else None
        rows = {
            radius: gaussian_rows(sigma, self.order, radius, self.gauss_norm, window)
            for radius in set(full)
        }
        axes = zip(full, radii, strict=True)
        return [rows[a][:, a - b : a + b + 1] if b < a else rows[a] for a, b in axes]


@OPERATORS_1D.register("njet")
class NJet1d(_NJet):
    """1-D form of `NJet2d`, ours: F = N + 1 functions, one for each order of derivative."""

    dims: ClassVar[int] = 1


@OPERATORS.register("njet")
class NJet2d(_NJet):
    r"""2-D convolution whose filters are learned mixtures of Gaussian derivatives.

    The filter is :math:`w_{oc}(y, x) = \sum_{i+j \le N} \alpha_{ij,c,o} b_i(y) b_j(x)` with the
    rows of `gaussian_derivatives` (equations 2, 3 and 5). One sigma is shared by the layer; it is
    stored as `scale` = log2 sigma. It sets the window as well, which is at least 3 x 3. Gradient
    reaches sigma through the values of the rows, never through the size of the window.

    The size of the window has to be known on the host. The layers of one network read their sigmas
    in one copy per forward pass of training, and per change of sigma otherwise (`HostCopies`);
    numbers that lie on the host are read directly, and `learn_sigma=False` is read once. The form
    `masked` reads nothing: its window has the constant radius `max_radius`, and taps beyond the
    present radius are zero. It compiles without graph breaks.

    Without gradients in `eval` mode the filter is kept until alpha or sigma changes; a write
    through `.data` is not noticed before the next forward pass in `train` mode.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the window under `size_rule` `fixed`, odd and >= 3; otherwise only the
            side of the convolution that is replaced, see `padding`.
        stride: Distance between output positions, in input pixels.
        padding: `'same'` adds dilation * r at each side, so H' is ceil(H / stride) for any sigma. A
            number equal to dilation * (kernel_size - 1) / 2 means `'same'`. Another number, or
            `'valid'`, is literal: H' then depends on sigma.
        dilation: Distance between taps, in input pixels; sigma is in taps.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O is added to the output; the paper has none.
        options: Fields of `NJetOptions`, keyword-only.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W')

    Raises:
        ValueError: If an argument has the wrong type or is out of range.
        UnsupportedError: If `execution` is `masked` and the padding is literal.

    Example:
        >>> layer = NJet2d(3, 8, order=2)
        >>> layer(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
        >>> layer.kernel_size
        (7, 7)
    """

    dims: ClassVar[int] = 2
