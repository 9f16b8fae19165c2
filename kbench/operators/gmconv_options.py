"""Options of `gmconv` and its controls; a message names operator, option, value and range."""

import math
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

Variant = Literal["static", "dynamic"]
Share = Literal["layer", "out", "in", "kernel"]
Coord = Literal["pixel", "unit"]
Normalise = Literal["none", "density", "sum", "peak"]
Param = Literal["raw", "log", "softplus"]
InitGain = Literal["none", "var"]
Execution = Literal["auto", "loop", "grouped", "rings"]

# Options that one variant ignores, with their defaults.
STATIC_ONLY = {"learn_sigma": True, "param": "raw", "sigma_lr_scale": 1, "sigma_weight_decay": 0}
DYNAMIC_ONLY = {"reduction": 4, "head_min": 4, "execution": "auto"}


@dataclass(frozen=True, kw_only=True)
class GMConvOptions:
    """Options of `gmconv`.

    Attributes:
        variant: `static` or `dynamic`.
        learn_sigma: False keeps the static sigma at `sigma_init`: the control `frozen sigma`.
        sigma_init: Initial sigma, in units of `coord`, in (0, 1e6].
        share: Who has one sigma: the `layer`, every `out` or every `in` channel (within its group)
            or every `kernel`, that is every pair of them; the dynamic form takes `layer` and `out`.
        coord: Unit of sigma: `pixel` is one tap, `unit` the distance from centre to corner.
        normalise: `none`, so that large sigma is the plain convolution; `density`, `sum` or `peak`
            divide the mask by the Gaussian's integral, its sum over taps or its largest value.
        param: How the static sigma is stored: as it is (`raw`, whose sign is free), its logarithm
            (`log`) or through a softplus (`softplus`). The dynamic form always has a softplus.
        eps: Added to 2 sigma^2, >= 0; 0 is the literal Gaussian, not a number at sigma = 0.
        init_gain: `var` multiplies the initial weights by 1 / sqrt(mean of the squared mask).
        sigma_lr_scale: Learning rate of the stored static sigma as a multiple of the recipe's.
        sigma_weight_decay: Weight decay of the stored static sigma; `same` is the recipe's.
        reduction: The dynamic head is max(I // reduction, head_min) wide.
        head_min: Least width of the dynamic head.
        execution: Of the dynamic form: `loop` over images, `grouped` convolution of all images,
            `rings` of equal radius; `auto` is grouped while the kernels of all images have at most
            1e8 elements, else rings.
        padding_mode: As for `torch.nn.ConvNd`.
    """

    variant: Variant = "static"
    learn_sigma: bool = True
    sigma_init: float = 5.0
    share: Share = "layer"
    coord: Coord = "pixel"
    normalise: Normalise = "none"
    param: Param = "raw"
    eps: float = 1e-6
    init_gain: InitGain = "none"
    sigma_lr_scale: float = 1.0
    sigma_weight_decay: float | Literal["same"] = 0.0
    reduction: int = 4
    head_min: int = 4
    execution: Execution = "auto"
    padding_mode: str = "zeros"

    def check(self) -> None:
        """Refuse values out of range, and values that the variant would ignore.

        Raises:
            ValueError: Names operator, option, value and what is allowed.
        """
        check_choice("gmconv", "variant", self.variant, get_args(Variant))
        check_choice("gmconv", "share", self.share, get_args(Share))
        check_choice("gmconv", "param", self.param, get_args(Param))
        check_choice("gmconv", "execution", self.execution, get_args(Execution))
        check_sigma_init("gmconv", self.sigma_init)
        check_number("gmconv", "sigma_lr_scale", self.sigma_lr_scale, above=0)
        if self.sigma_weight_decay != "same":
            check_number("gmconv", "sigma_weight_decay", self.sigma_weight_decay, least=0)
        _check_flag("learn_sigma", self.learn_sigma)
        _check_whole("reduction", self.reduction)
        _check_whole("head_min", self.head_min)
        for name, default in (DYNAMIC_ONLY if self.variant == "static" else STATIC_ONLY).items():
            if getattr(self, name) != default:
                message = (
                    f"gmconv: {name} (={getattr(self, name)!r}) has no effect for variant "
                    f"{self.variant!r}; leave it at {default!r}"
                )
                raise ValueError(message)
        if self.variant == "dynamic":
            check_choice("gmconv", "share", self.share, ("layer", "out"), "variant 'dynamic'")


def check_choice(
    operator: str, name: str, value: object, allowed: tuple[str, ...], owner: str = ""
) -> None:
    """Refuse what is not one of the allowed words (of an owner, if that narrows them)."""
    if value not in allowed:
        place = f" for {owner}" if owner else ""
        message = f"{operator}: {name} (={value!r}) must be one of {list(allowed)}{place}"
        raise ValueError(message)


def check_number(
    operator: str,
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
) -> None:
    """Refuse what is not a finite number in the range."""
    if not (_is_finite_number(value) and least <= value <= most and value > above):
        bounds = ((">=", least), (">", above), ("<=", most))
        texts = [f"{sign} {bound:g}" for sign, bound in bounds if math.isfinite(bound)]
        message = f"{operator}: {name} (={value!r}) must be a finite number {' and '.join(texts)}"
        raise ValueError(message)


def check_sigma_init(operator: str, value: object) -> None:
    """Refuse an initial sigma outside of (0, 1e6]."""
    check_number(operator, "sigma_init", value, above=0, most=1e6)


def _is_finite_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _check_flag(name: str, value: object) -> None:
    if value is not True and value is not False:
        message = f"gmconv: {name} (={value!r}) must be true or false"
        raise ValueError(message)


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"gmconv: {name} (={value!r}) must be an integer >= 1"
        raise ValueError(message)
