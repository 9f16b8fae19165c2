"""Networks that map a coordinate to the values of a kernel (FlexConv, sections 3.1 and 3.2).

A generator is evaluated on a grid, given as one vector of coordinates an axis. It gives H features
a point, which its last linear layer, `out`, mixes to the kernel's values.

Shapes: D axes, H hidden features, M outputs, T points of an axis, P points of the grid (the last
axis fastest), L hidden linear layers.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Envelope = Literal["anisotropic", "isotropic", "none"]
GammaInit = Literal["per_layer", "uniform"]
BiasInit = Literal["default", "uniform", "zero"]
Bound = Literal["official", "paper"]
Range = tuple[float, float]


def widen(x: Tensor) -> Tensor:
    """Return the tensor in float32 or better: phases reach hundreds of radians."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class PointLinear(nn.Module):
    """Linear layer over points that lie in columns.

    Not a `torch.nn.Linear`, so that initialisers of whole networks leave generators alone.

    Args:
        inputs: Number of input features.
        outputs: Number of output features.
        weight_norm: Learn the length of each row apart from its direction, as CKCNN does.
    """

    def __init__(self, inputs: int, outputs: int, *, weight_norm: bool = False) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(_uniform_sample(outputs, inputs, bound=bound))
        self.bias = nn.Parameter(_uniform_sample(outputs, bound=bound))
        self.gain = nn.Parameter(torch.empty(outputs)) if weight_norm else None
        self.reset_gain()

    def reset_gain(self) -> None:
        """Set the row lengths to those of `weight`, which then is the effective matrix."""
        if self.gain is not None and not self.gain.is_meta:
            with torch.no_grad():
                self.gain.copy_(torch.linalg.vector_norm(self.weight, dim=1))

    def matrix(self) -> Tensor:
        """Return the effective (outputs, inputs), normalised if asked for, in float32 or better."""
        weight = widen(self.weight)
        if self.gain is None:
            return weight
        return weight * (widen(self.gain) / torch.linalg.vector_norm(weight, dim=1))[:, None]

    def forward(self, h: Tensor) -> Tensor:
        """Map (inputs, P) to (outputs, P)."""
        return torch.addmm(widen(self.bias)[:, None], self.matrix(), h)


class KernelGenerator(nn.Module):
    """A network with features of a grid point and a last linear layer `out`."""

    out: PointLinear

    def features(self, axes: Sequence[Tensor]) -> Tensor:
        """Return (H, P) for the grid of D vectors (T)."""
        raise NotImplementedError

    def forward(self, axes: Sequence[Tensor]) -> Tensor:
        """Return the kernel values (M, P) for the grid of D vectors (T)."""
        return self.out(self.features(axes))

    def learned_factors(self) -> list[nn.Parameter]:
        """Return the learned frequency factors."""
        return []

    def frequencies(self, s_cut: float, bound: Bound) -> Tensor:
        """Return the frequency bound of every filter, in cycles per coordinate unit.

        Args:
            s_cut: Standard deviations of the envelope's spectrum that count.
            bound: `official` adds the two maxima over all entries; `paper` takes the largest sum
                of one row, with the smallest gamma of its axes (FlexConv, equations 21 and 22).

        Raises:
            ValueError: If the generator has no Gaussian envelope.
        """
        del s_cut, bound
        message = "a generator without Gaussian envelope has no frequency bound"
        raise ValueError(message)


class Filter(nn.Module):
    """Parameters of one Gabor or Fourier filter of a multiplicative filter network.

    Attributes:
        weight: (H, D), angular frequencies.
        bias: (H), phases.
        gamma: (H, D) or (H, 1), inverse standard deviations; None without envelope.
        mu: (H, D), centres; None without envelope.
    """

    def __init__(self, weight: Tensor, gamma: Tensor | None, mu: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight if gamma is None or weight.is_meta else weight * gamma)
        self.bias = nn.Parameter(_uniform_sample(len(weight), bound=math.pi))
        self.gamma = None if gamma is None else nn.Parameter(gamma)
        self.mu = None if mu is None else nn.Parameter(mu)


class MultiplicativeFilterNetwork(KernelGenerator):
    r"""Products of filters: MAGNet, MGN (`gabor`) and the Fourier network.

    :math:`h = g_0(p)`, then :math:`h = (W_l h + b_l) \, g_l(p)` for l = 1..L, with
    :math:`g_l(p) = \exp(-\frac12 \sum_d (\gamma_d (p_d - \mu_d))^2) \sin(W^g_l p + b^g_l)`.
    Here gamma is squared also where all axes share it; the paper's equation 5 leaves it outside.

    A sine of a sum and a Gaussian split into factors of one axis each, so sines and exponentials
    are taken of H * (T0 + T1) numbers instead of H * T0 * T1.

    Args:
        dims: D, 1 or 2.
        outputs: M.
        hidden: H.
        layers: L, at least 1; there are L + 1 filters.
        input_scale: Factor of the initial frequencies.
        envelope: Whether gamma is one number an axis, one for all, or there is no Gaussian.
        gamma_init: `per_layer` draws the gamma of filter l from Gamma(alpha / (l + 1), beta),
            `uniform` that of every filter from Gamma(alpha / (L + 1), beta).
        alpha: Shape of the Gamma distribution.
        beta: Rate of the Gamma distribution.
        centers: Range of the initial centres, an axis each.
    """

    def __init__(
        self,
        dims: int,
        outputs: int,
        hidden: int,
        layers: int,
        *,
        input_scale: float,
        envelope: Envelope,
        gamma_init: GammaInit,
        alpha: float,
        beta: float,
        centers: Sequence[Range],
    ) -> None:
        super().__init__()
        scale = input_scale / math.sqrt(dims * (layers + 1))
        width = {"anisotropic": dims, "isotropic": 1, "none": 0}[envelope]
        self.filters = nn.ModuleList()
        for layer in range(layers + 1):
            share = layer + 1 if gamma_init == "per_layer" else layers + 1
            gamma = _gamma_sample(hidden, width, alpha / share, beta) if width else None
            mu = _center_sample(hidden, centers) if width else None
            weight = _uniform_sample(hidden, dims, bound=scale)
            self.filters.append(Filter(weight, gamma, mu))
        self.hidden = nn.ModuleList(PointLinear(hidden, hidden) for _ in range(layers))
        self.out = PointLinear(hidden, outputs)

    def features(self, axes: Sequence[Tensor]) -> Tensor:
        """Return the product of filters and linear layers, (H, P)."""
        first, *others = self._filter_values(axes).flatten(1).chunk(len(self.filters))
        h = first
        for linear, values in zip(self.hidden, others, strict=True):
            h = linear(h) * values
        return h

    def frequencies(self, s_cut: float, bound: Bound) -> Tensor:
        """Return (L + 1) bounds; see the base class."""
        weight, _, gamma, _ = self._stacked()
        if gamma is None:
            return super().frequencies(s_cut, bound)
        shape = (len(self.filters), -1, weight.shape[1])
        waves, widths = weight.abs().view(shape), gamma.abs().expand_as(weight).reshape(shape)
        if bound == "official":
            total = waves.amax((1, 2)) + s_cut * widths.amax((1, 2))
        else:
            total = (waves.amax(2) + s_cut * widths.amin(2)).amax(1)
        return total / (2 * math.pi)

    def _stacked(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Return weight, bias, gamma and mu of all filters, below each other."""
        rows = [(f.weight, f.bias, f.gamma, f.mu) for f in self.filters if isinstance(f, Filter)]
        weight, bias, gamma, mu = (
            [part for part in column if part is not None] for column in zip(*rows, strict=True)
        )
        stacked = widen(torch.cat(weight)), widen(torch.cat(bias))
        return (
            (*stacked, widen(torch.cat(gamma)), widen(torch.cat(mu)))
            if gamma
            else (*stacked, None, None)
        )

    def _filter_values(self, axes: Sequence[Tensor]) -> Tensor:
        """Return ((L + 1) * H, *T)."""
        weight, bias, gamma, mu = self._stacked()
        phases = [weight[:, d, None] * p for d, p in enumerate(axes)]
        phases[0] = phases[0] + bias[:, None]
        waves = [(phase.sin(), phase.cos()) for phase in phases]  # each (N, T)
        if gamma is not None and mu is not None:
            gamma = gamma.expand_as(mu)
            for d, p in enumerate(axes):
                distance = gamma[:, d, None] * (p - mu[:, d, None])
                envelope = torch.exp(-0.5 * distance.square())
                waves[d] = (waves[d][0] * envelope, waves[d][1] * envelope)
        if len(waves) == 1:
            return waves[0][0]
        (sin_0, cos_0), (sin_1, cos_1) = waves
        return torch.stack((sin_0, cos_0), dim=2) @ torch.stack((cos_1, sin_1), dim=1)


class Siren(KernelGenerator):
    """Sine network: `h = sin(omega_0 * (W h + b))`, then a linear layer.

    Args:
        dims: D, 1 or 2.
        outputs: M.
        hidden: H.
        layers: Number of linear layers in total, at least 2; all but the last have a sine.
        omega_0: Frequency factor of every sine.
        learn_omega_0: Learn one factor a sine, in the parameter `omega_0`.
        weight_norm: Whether all linear layers are weight-normalised, as in CKCNN.
        bias_init: `default` is torch's, `uniform` is U(-1, 1).
    """

    def __init__(
        self,
        dims: int,
        outputs: int,
        hidden: int,
        layers: int,
        *,
        omega_0: float,
        learn_omega_0: bool,
        weight_norm: bool,
        bias_init: BiasInit,
    ) -> None:
        super().__init__()
        sides = [dims, *[hidden] * (layers - 1)]
        self.hidden = nn.ModuleList(
            PointLinear(fan_in, hidden, weight_norm=weight_norm) for fan_in in sides[:-1]
        )
        self.out = PointLinear(hidden, outputs, weight_norm=weight_norm)
        for index, (fan_in, linear) in enumerate(zip(sides, [*self.hidden, self.out], strict=True)):
            bound = math.sqrt(6 / fan_in) / omega_0 if index else 1 / fan_in
            _draw_uniform(linear.weight, bound)
            _initialise_bias(linear.bias, bias_init)
            linear.reset_gain()
        self.fixed_omega_0 = omega_0
        factors = nn.Parameter(torch.full((layers - 1,), float(omega_0)))
        self.omega_0 = factors if learn_omega_0 else None

    def learned_factors(self) -> list[nn.Parameter]:
        """Return the parameter `omega_0` (number of sines) if it learns."""
        return [] if self.omega_0 is None else [self.omega_0]

    def features(self, axes: Sequence[Tensor]) -> Tensor:
        """Return the last sines, (H, P)."""
        h = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)  # (D, P)
        for index, linear in enumerate(self.hidden):
            factor = self.fixed_omega_0 if self.omega_0 is None else widen(self.omega_0)[index]
            h = torch.sin(factor * linear(h))
        return h


def _draw_uniform(tensor: Tensor, bound: float) -> None:
    # On the meta device torch runs drawing and arithmetic in Python: most of the time to build.
    if not tensor.is_meta:
        nn.init.uniform_(tensor, -bound, bound)


def _uniform_sample(*shape: int, bound: float) -> Tensor:
    """Return a tensor drawn from U(-bound, bound)."""
    sample = torch.empty(*shape)
    _draw_uniform(sample, bound)
    return sample


def _center_sample(rows: int, centers: Sequence[Range]) -> Tensor:
    """Return (rows, D) drawn uniformly from the ranges, an axis each."""
    sample = torch.empty(rows, len(centers))
    if sample.is_meta:
        return sample
    low, high = (torch.tensor(ends) for ends in zip(*centers, strict=True))
    return low + (high - low) * torch.rand(sample.shape)


def _gamma_sample(rows: int, columns: int, alpha: float, beta: float) -> Tensor:
    """Return (rows, columns) drawn from Gamma(alpha, rate beta)."""
    sample = torch.empty(rows, columns)
    if sample.is_meta:
        return sample
    return torch.distributions.Gamma(alpha, beta).sample(sample.shape)


def _initialise_bias(bias: Tensor, how: BiasInit) -> None:
    if how == "uniform":
        _draw_uniform(bias, 1)
    elif how == "zero":
        nn.init.zeros_(bias)
