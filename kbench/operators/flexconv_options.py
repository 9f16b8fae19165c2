"""Options of `ckconv` and `flexconv`: the fields are the keyword-only options of the operators.

They are fields of a dataclass because there are more of them than a signature can carry. What the
registry shows is made from the fields, so nothing is declared twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf, nan
from typing import Any, Literal

from kbench.errors import UnsupportedError
from kbench.operators.geometry import Size
from kbench.operators.kernel_generators import (
    BiasInit,
    Bound,
    GammaInit,
    KernelGenerator,
    MultiplicativeFilterNetwork,
    Siren,
)

Generator = Literal["magnet", "gabor", "fourier", "siren"]
Execution = Literal["auto", "direct", "fft"]
AliasTarget = Literal["gabor", "gabor+mask"]

CHOICES = {
    "generator": ("magnet", "gabor", "fourier", "siren"),
    "gamma_init": (None, "per_layer", "uniform"),
    "bias_init": ("default", "uniform", "zero"),
    "execution": ("auto", "direct", "fft"),
    "alias_target": ("gabor", "gabor+mask"),
    "alias_bound": ("official", "paper"),
}
# Lower limit and whether it is allowed itself.
NUMBERS = {
    "input_scale": (0, False),
    "alpha": (0, False),
    "beta": (0, False),
    "center_scale": (0, False),
    "omega_0": (0, False),
    "omega_0_lr_scale": (0, True),
    "kernel_dropout": (0, True),
    "kernel_scale": (0, False),
    "kernel_norm": (0, True),
    "sigma_lr_scale": (0, True),
    "sigma_weight_decay": (0, True),
    "mask_threshold": (0, False),
    "alias": (0, True),
    "alias_s_cut": (0, True),
}
BELOW_ONE = ("kernel_dropout", "mask_threshold")
INTEGERS = {"hidden": 1, "layers": 1, "fft_threshold": 0, "crop_bucket": 0}
ENVELOPE_ONLY = ("anisotropic", "gamma_init", "alpha", "beta", "center_scale", "causal_center")
SIREN_ONLY = ("weight_norm", "bias_init", "omega_0", "learn_omega_0", "omega_0_lr_scale")
FOREIGN = {
    "magnet": SIREN_ONLY,
    "gabor": SIREN_ONLY,
    "fourier": (*SIREN_ONLY, *ENVELOPE_ONLY),
    "siren": ("input_scale", *ENVELOPE_ONLY),
}


@dataclass(frozen=True, kw_only=True)
class CKConvOptions:
    """Options of `ckconv`; None means the default of the generator or of the number of axes.

    Attributes:
        padding_mode: As for `torch.nn.ConvNd`; only zeros if causal.
        causal: Whether an output sees no later input; by default true in 1-D, false in 2-D, where
            it cannot be true.
        generator: Network that gives the kernel (FlexConv, section 3.2; `gabor` is the MGN).
        hidden: Width of the generator.
        layers: Hidden linear layers of magnet, gabor and fourier; all linear layers of siren.
        input_scale: Factor of the initial frequencies; by default 25.6, for fourier 256. Not siren.
        anisotropic: Whether envelopes have a width an axis; by default only for magnet.
        gamma_init: Whether the initial widths shrink with depth; by default only for magnet.
        alpha: Shape of the Gamma distribution of the initial inverse widths.
        beta: Rate of that distribution.
        center_scale: Half range of the initial centres, at most 1; by default 1, for flexconv
            1.667 times the mask's sigma.
        causal_center: Draw the centres within `center_scale` of the last tap; 1-D.
        omega_0: Frequency factor of siren.
        learn_omega_0: Learn that factor, one a sine; siren.
        omega_0_lr_scale: Factor of the learning rate of a learned `omega_0`.
        weight_norm: Normalise the weights of all linear layers, as CKCNN; siren.
        bias_init: Initial biases of siren: torch's, U(-1, 1) or zero.
        kernel_dropout: Probability of dropping a sampled kernel value in training.
        kernel_scale: Factor of the kernel, for deployment at another resolution.
        execution: Direct or Fourier convolution; `auto` takes the latter in 1-D above
            `fft_threshold` kept taps.
        fft_threshold: See `execution`.
        kernel_norm: Weight of the sum of the 2-norms of kernel and bias in `regularisation()`.

    Raises:
        TypeError: If an option is unknown, or a switch is not a bool.
        ValueError: If a value is out of range, or the generator has no such option.
    """

    padding_mode: str = "zeros"
    causal: bool | None = None
    generator: Generator = "magnet"
    hidden: int = 32
    layers: int = 3
    input_scale: float | None = None
    anisotropic: bool | None = None
    gamma_init: GammaInit | None = None
    alpha: float = 6.0
    beta: float = 1.0
    center_scale: float | None = None
    causal_center: bool = False
    omega_0: float = 30.0
    learn_omega_0: bool = False
    omega_0_lr_scale: float = 1.0
    weight_norm: bool = False
    bias_init: BiasInit = "default"
    kernel_dropout: float = 0.0
    kernel_scale: float = 1.0
    execution: Execution = "auto"
    fft_threshold: int = 50
    kernel_norm: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            if field.type in (bool, bool | None):
                _check_flag(field.name, value)
            elif field.name in CHOICES:
                _check_choice(field.name, value)
            elif field.name in NUMBERS:
                low, is_closed = NUMBERS[field.name]
                _check_number(field.name, value, low, is_closed=is_closed)
            elif field.name in INTEGERS:
                _check_integer(field.name, value, INTEGERS[field.name])
        self._check_generator()

    def _check_generator(self) -> None:
        """Refuse options that the generator does not have."""
        for name in FOREIGN[self.generator]:
            value, unset = getattr(self, name), getattr(type(self), name)
            if value != unset:
                message = f"{name} (={value!r}) does not apply to generator {self.generator!r}"
                raise ValueError(message)
        if self.generator == "siren" and self.layers < 2:
            message = f"layers (={self.layers}) must be an integer >= 2 for generator 'siren'"
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class FlexConvOptions(CKConvOptions):
    """Options of `flexconv`: those of `ckconv` and those of the mask.

    Attributes:
        sigma_init: Initial sigma of the mask in the kernel's coordinate, or one an axis.
        learn_sigma: Whether the mask learns, mean and sigma.
        sigma_lr_scale: Factor of the mask's learning rate.
        sigma_weight_decay: Weight decay of the mask.
        sigma_floor: `none`, or the smallest sigma that the mask and the window use; `grid` keeps
            three taps an axis. Without one a mask that has shrunk to one tap stays there.
        mask_mean: Initial mean, or one an axis; by default 1 (the current step) if causal, else 0.
        mask_threshold: Taps where the mask is below it are cut off.
        crop: Whether they are.
        apply_mask: Whether the mask weights the taps that are kept.
        crop_bucket: Evaluate windows whose margin is a multiple of it, with zeros outside the
            window proper: fewer shapes, the same result. 0 is off.
        alias: Weight of the alias penalty in `regularisation()` (FlexConv, section 3.3).
        alias_target: Whether the mask's bandwidth counts too.
        alias_s_cut: Standard deviations of a Gaussian's spectrum that count.
        alias_bound: The official code's bound, behind all results, or the paper's equations.
        alias_resolution: Kernel size whose Nyquist frequency is the limit; `auto` is the layer's
            own, at every resolution.
    """

    sigma_init: float | tuple[float, ...] = 0.075
    learn_sigma: bool = True
    sigma_lr_scale: float = 0.1
    sigma_weight_decay: float = 0.0
    sigma_floor: float | str = "none"
    mask_mean: float | tuple[float, ...] | None = None
    mask_threshold: float = 0.1
    crop: bool = True
    apply_mask: bool = True
    crop_bucket: int = 0
    alias: float = 0.0
    alias_target: AliasTarget = "gabor"
    alias_s_cut: float = 2.0
    alias_bound: Bound = "official"
    alias_resolution: int | str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_floor not in ("none", "grid"):
            _check_number("sigma_floor", self.sigma_floor, 0, or_else="'none', 'grid' or ")
        if self.alias_resolution != "auto":
            _check_integer("alias_resolution", self.alias_resolution, 2)
        if self.alias and self.generator in ("fourier", "siren"):
            message = f"alias (={self.alias}) does not apply to generator {self.generator!r}"
            raise ValueError(message)

    def initial_mask(self, dims: int, *, is_causal: bool) -> list[list[float]]:
        """Return (mean, sigma) of every axis.

        Raises:
            ValueError: If there is a wrong number of values or a sigma is not positive.
        """
        mean = self.mask_mean if self.mask_mean is not None else float(is_causal)
        means = _per_axis("mask_mean", mean, dims, -inf)
        sigmas = _per_axis("sigma_init", self.sigma_init, dims, 0)
        return [list(row) for row in zip(means, sigmas, strict=True)]


def build_generator(
    options: CKConvOptions, dims: int, outputs: int, center_scales: Sequence[float]
) -> KernelGenerator:
    """Return the generator that the options describe.

    Args:
        options: Options of the operator.
        dims: Number of axes.
        outputs: Number of kernels.
        center_scales: Half range of the initial centres where the options do not say, an axis each.
    """
    sides = (dims, outputs, options.hidden, options.layers)
    if options.generator == "siren":
        return Siren(
            *sides,
            omega_0=options.omega_0,
            learn_omega_0=options.learn_omega_0,
            weight_norm=options.weight_norm,
            bias_init=options.bias_init,
        )
    is_magnet, is_fourier = options.generator == "magnet", options.generator == "fourier"
    is_anisotropic = is_magnet if options.anisotropic is None else options.anisotropic
    return MultiplicativeFilterNetwork(
        *sides,
        input_scale=options.input_scale or (256.0 if is_fourier else 25.6),
        envelope="none" if is_fourier else "anisotropic" if is_anisotropic else "isotropic",
        gamma_init=options.gamma_init or ("per_layer" if is_magnet else "uniform"),
        alpha=options.alpha,
        beta=options.beta,
        centers=[_center_range(options, scale) for scale in center_scales],
    )


def _center_range(options: CKConvOptions, scale: float) -> tuple[float, float]:
    scale = min(options.center_scale or scale, 1.0)
    return (1 - scale, 1.0) if options.causal_center else (-scale, scale)


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        message = f"{name} (={value!r}) must be true or false"
        raise TypeError(message)


def _check_choice(name: str, value: object) -> None:
    if value not in CHOICES[name]:
        names = [choice for choice in CHOICES[name] if choice is not None]
        message = f"{name} (={value!r}) must be one of {names}"
        raise ValueError(message)


def _check_integer(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"{name} (={value!r}) must be an integer >= {least}"
        raise ValueError(message)


def _check_number(
    name: str, value: object, low: float, *, is_closed: bool = False, or_else: str = ""
) -> None:
    high = 1 if name in BELOW_ONE else inf
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else nan
    if low < number < high or (is_closed and number == low):
        return
    limits = f"{'>=' if is_closed else '>'} {low}{'' if high == inf else ' and < 1'}"
    message = f"{name} (={value!r}) must be {or_else}a number {limits}"
    raise ValueError(message)


def _per_axis(name: str, value: object, dims: int, low: float) -> list[float]:
    values: Sequence[Any] = value if isinstance(value, list | tuple) else (value,) * dims
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if len(values) != dims or not is_number or not all(low < v < inf for v in values):
        limit = " > 0" if low == 0 else ""
        message = f"{name} (={value!r}) must be a number{limit}, or {dims} of them"
        raise ValueError(message)
    return [float(v) for v in values]


def checked_kernel_size(kernel_size: Size | str, dims: int) -> int | str:
    """Return K, or the word that it follows from.

    Raises:
        ValueError: If it is no size and no known word.
        UnsupportedError: If the sides differ or are not odd and >= 3.
    """
    if isinstance(kernel_size, str):
        if kernel_size not in ("same", "full"):
            message = (
                f"kernel_size (={kernel_size!r}) must be 'same', 'full' or an odd integer >= 3"
            )
            raise ValueError(message)
        return kernel_size
    sides = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * dims
    message = f"kernel_size (={kernel_size!r}) must be 'same', 'full' or an odd integer >= 3"
    if len(sides) != dims or not all(type(side) is int and side >= 1 for side in sides):
        raise ValueError(message)
    if any(side == 1 or side % 2 == 0 for side in sides):
        raise UnsupportedError(message)
    if len(set(sides)) > 1:
        message = f"kernel_size (={kernel_size!r}) must have equal sides: one maximum for all axes"
        raise UnsupportedError(message)
    return sides[0]
