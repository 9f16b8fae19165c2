"""FlexConv: convolution with a generated kernel under a learnable Gaussian mask.

The mask sets the kernel's size: taps where it is small are cut off before anything is computed.

Shapes: D axes, K kernel side, T evaluated taps of an axis, P evaluated taps in all, L + 1 filters.
"""

import math
from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.operators.ckconv import GeneratedConv, Groups
from kbench.operators.flexconv_cache import MaskReader
from kbench.operators.flexconv_mask import (
    effective_sigma,
    mask_cutoff,
    mask_values,
    mask_window,
)
from kbench.operators.flexconv_options import AliasTarget, CKConvOptions, FlexConvOptions
from kbench.operators.kernel_generators import Bound, widen
from kbench.operators.options import takes
from kbench.operators.window_convolution import Windows
from kbench.registry import OPERATORS, OPERATORS_1D


@takes(FlexConvOptions)
class MaskedConv(GeneratedConv):
    """FlexConv for 1 and 2 axes.

    Attributes:
        mask_params: (D, 2), the mask's mean and sigma on every axis, unconstrained.
    """

    options_type: ClassVar[type[CKConvOptions]] = FlexConvOptions
    options: FlexConvOptions

    @property
    def conformance_exceptions(self) -> dict[str, str]:
        """What a window that follows the mask cannot hold."""
        found = {}
        if self.options.crop:
            found["compile"] = "the size of the window follows the mask, which the host reads"
            if self.size and all(last - first == 1 for first, last in self.crop_bounds()):
                found["gradients"] = "the initial mask leaves one tap, at coordinate 0"
        return found

    def add_mask(self) -> None:
        """Create the mask's parameters."""
        rows = self.options.initial_mask(self.dims, is_causal=self.is_causal)
        learns = self.options.learn_sigma
        self.mask_params = nn.Parameter(torch.tensor(rows), requires_grad=learns)
        self.reader = MaskReader()

    def center_scales(self) -> list[float]:
        """Return 1.667 initial sigmas an axis: the range of the official code's centres."""
        rows = self.options.initial_mask(self.dims, is_causal=self.is_causal)
        return [1.667 * sigma for _, sigma in rows]

    @staticmethod
    def after_init(modules: Iterable["MaskedConv"]) -> None:
        """Let all layers of a network copy their masks to the host together."""
        reader = MaskReader()
        for module in modules:
            module.reader = reader

    @property
    def sigma(self) -> Tensor:
        """Standard deviation of the mask (D), without gradient."""
        return self.mask_params.detach()[:, 1].abs()

    def sigma_floor(self) -> float | None:
        """Return the smallest sigma in use, or None; `grid` keeps the centre and its neighbours."""
        floor = self.options.sigma_floor
        if floor == "grid":
            return 1.001 * 2 / (self.known_size() - 1) / mask_cutoff(self.options.mask_threshold)
        return None if floor == "none" else float(floor)

    def crop_bounds(self) -> Windows:
        """Return the kept taps [first, last) of every axis."""
        return self._read_windows() if self.options.crop else super().crop_bounds()

    @torch.compiler.disable  # type: ignore[untyped-decorator] # torch does not annotate it
    def _read_windows(self) -> Windows:
        """Return the windows of the mask; on the meta device, those of the initial mask."""
        size, floor = self.known_size(), self.sigma_floor() or 0.0
        cutoff = mask_cutoff(self.options.mask_threshold)
        rows = self.options.initial_mask(self.dims, is_causal=self.is_causal)
        if not self.mask_params.is_meta:
            rows = self.reader.rows(self)
        return tuple(
            mask_window(mean, max(abs(sigma), floor), size, cutoff, is_causal=self.is_causal)
            for mean, sigma in rows
        )

    def evaluated_windows(self, bounds: Windows) -> Windows:
        """Return the windows whose margin is the next smaller multiple of `crop_bucket`."""
        bucket, size = self.options.crop_bucket, self.known_size()
        if not bucket:
            return bounds
        margins = [first - first % bucket for first, _ in bounds]
        return tuple((margin, size if self.is_causal else size - margin) for margin in margins)

    def mask(self, positions: list[Tensor], bounds: Windows) -> Tensor | None:
        """Return the mask (P) at the evaluated taps, zero outside the kept ones."""
        if self.options.apply_mask:
            rows = mask_values(self.mask_params, positions, self.sigma_floor())
        else:
            rows = [torch.ones_like(p) for p in positions]
        windows = self.evaluated_windows(bounds)
        if windows != bounds:
            rows = [
                F.pad(row[first - start : last - start], (first - start, end - last))
                for row, (first, last), (start, end) in zip(rows, bounds, windows, strict=True)
            ]
        return rows[0] if len(rows) == 1 else (rows[0][:, None] * rows[1]).flatten()

    def frequency_bound(
        self, target: AliasTarget = "gabor", bound: Bound = "official", s_cut: float = 2.0
    ) -> Tensor:
        """Return an upper bound of the kernel's frequencies, in cycles per coordinate unit.

        Args:
            target: `gabor` bounds the generator, `gabor+mask` the masked kernel.
            bound: The official code's bound, or equations 21, 22 and 26 of the paper.
            s_cut: Standard deviations of a Gaussian's spectrum that count.

        Raises:
            ValueError: If the generator has no such bound.
        """
        return self._filter_bounds(target, bound, s_cut).sum()

    def regularisation(self) -> Tensor:
        r"""Return the kernel norm's penalty plus the alias penalty.

        The latter is :math:`w \sum_l relu(f_l + (f_{mask} - f_{Nyq}) / n)^2` over the n filters,
        with the Nyquist frequency (K - 1) / 4.
        """
        options, penalty = self.options, super().regularisation()
        if not options.alias:
            return penalty
        size = options.alias_resolution
        nyquist = ((self.known_size() if isinstance(size, str) else size) - 1) / 4
        bounds = self._filter_bounds(options.alias_target, options.alias_bound, options.alias_s_cut)
        excess = (bounds - nyquist / len(bounds)).relu()
        return penalty + options.alias * excess.square().sum()

    def _filter_bounds(self, target: AliasTarget, bound: Bound, s_cut: float) -> Tensor:
        """Return the bound of every filter, with its share of the mask's."""
        bounds = self.generator.frequencies(s_cut, bound)
        if target == "gabor":
            return bounds
        sigma = effective_sigma(widen(self.mask_params), self.sigma_floor())
        narrowest = sigma.min() if bound == "official" else sigma.max()
        return bounds + s_cut / (2 * math.pi * narrowest) / len(bounds)

    def quantities(self) -> dict[str, tuple[float, ...]]:
        """Return the mask's sigma and the kept taps of every axis."""
        return {"sigma": tuple(self.sigma.tolist()), **super().quantities()}

    def parameter_groups(self) -> Groups:
        """Return what the optimiser treats apart: a learned `omega_0`, then the mask."""
        options, groups = self.options, super().parameter_groups()
        if options.learn_sigma:
            decay = options.sigma_weight_decay
            groups["mask"] = ([self.mask_params], options.sigma_lr_scale, decay)
        return groups


@OPERATORS_1D.register("flexconv")
class FlexConv1d(MaskedConv):
    """1-D form of `FlexConv2d`, causal unless `causal` is false; K may be even for `same`."""

    dims = 1


@OPERATORS.register("flexconv")
class FlexConv2d(MaskedConv):
    r"""2-D convolution with a generated kernel under a learnable Gaussian mask that sets its size.

    The kernel is :math:`K_{oi}(p) = s \, m(p) \, \psi_{oi}(p)`: :math:`\psi` is the generator,
    evaluated on K x K points of [-1, 1]^2, s the `kernel_scale`, and
    :math:`m(p) = \prod_d \exp(-\frac12 ((p_d - \mu_d) / \sigma_d)^2)` one learnable mask for all
    channels (FlexConv, ICLR 2022, equations 2 to 4). Taps where the mask is below `mask_threshold`
    are zero; the window of the others is symmetric about the kernel's centre, and no gradient flows
    through its choice. The layer equals the plain convolution with `full_kernel()`; time follows
    the window. The official code takes no stride, dilation, groups or even input sides.

    The window sets shapes, so the host reads the mask: on an accelerator one transfer after a step
    for all layers of a network (`MaskReader`), none where no mask has changed.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: K, odd and at least 3; `same`: the longer side of the first input, one more if
            even; `full`: twice that side minus 1.
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `valid`, or `same` (None) for dilation * (K - 1) / 2 at
            any stride.
        dilation: Distance between kernel taps, in input pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O, initially zero, is added to the output.
        options: Fields of `FlexConvOptions`, keyword-only.

    Shape:
        - input: (B, I, H, W) or (I, H, W), floating point
        - output: (B, O, H', W') or (O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        TypeError: If an option is unknown, or a switch is not a bool.
        ValueError: If an argument or option is out of range.
        UnsupportedError: If the sides of the kernel differ or are not odd and >= 3, or the layer
            cannot be causal.

    Example:
        >>> conv = FlexConv2d(3, 8, 33)
        >>> conv(torch.zeros(2, 3, 16, 20)).shape
        torch.Size([2, 8, 16, 20])
        >>> conv.crop_bounds()
        ((14, 19), (14, 19))
    """

    dims = 2
