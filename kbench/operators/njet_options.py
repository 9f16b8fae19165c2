"""Options of N-Jet; every wrong one is a `ValueError` that names option, value and range."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from kbench.operators.gaussian_derivatives import GaussNorm, SizeRule

AlphaInit = Literal["unit", "dcn", "fan_in"]
AlphaPenalty = Literal["decay", "frobenius", "none"]
Execution = Literal["auto", "dense", "row_mix_col", "basis", "masked"]
SafeRule = Literal["paper", "code"]
SafePosition = Literal["after", "before"]
SafeLayers = Literal["all", "strided"]

LEAST_SCALE = -4.0  # sigma 0.0625
LARGEST_SIGMA_INIT = 32.0


@dataclass(frozen=True, kw_only=True)
class NJetOptions:
    """Options of `njet`.

    Attributes:
        order: N, the highest total order of derivative, 0 to 10.
        extent: k, reach of the window in sigmas.
        sigma_init: Initial sigma in taps, 0.0625 to 32. Training keeps sigma >= 0.0625.
        learn_sigma: Whether sigma is trained. Without, these are the structured receptive fields of
            Jacobsen et al., 2016; `scale` stays a parameter, without gradient.
        size_rule: `code` is r = ceil(k sigma + 0.5) as released, `paper` is r = ceil(k sigma),
            `fixed` is r = (kernel_size - 1) / 2.
        gauss_norm: `sum` normalises the Gaussian over the window, `analytic` over the real line.
        alpha_init: Normal with standard deviation 1 (`unit`, released), 0.1 (`dcn`, an earlier
            form), or for outputs of variance 2 from white inputs (`fan_in`, ours, where no
            normalisation follows).
        sigma_scale: Factor on sigma in rows and window, for inputs of another resolution.
        safe_subsample: r_s; sides shrink by 2^(-sigma / r_s) to nearest neighbours. None for off.
        safe_rule: `paper`, or `code`: side / max(1, 2^sigma / r_s).
        safe_position: Subsample the output (`after`) or the input (`before`).
        safe_layers: `strided` subsamples only where the replaced convolution has a stride, in its
            place.
        max_radius: Largest r (ours); None for no cap.
        execution: `dense` builds the filter. `row_mix_col` filters rows, mixes channels, filters
            columns; `basis` filters with each function, then mixes; `masked`, see above. `auto`
            is `row_mix_col` for windows and channels that pay for it, else `dense`.
        padding_mode: As for `torch.nn.Conv2d`.
        sigma_lr_scale: Factor on the learning rate of `scale`.
        sigma_weight_decay: Weight decay of `scale`; the release uses 5e-4.
        alpha_weight_decay: Weight decay of alpha; None is the recipe's.
        alpha_penalty: `decay`; `frobenius` adds `alpha_weight_decay` (sigma + |alpha|) to the loss
            in its place, the release's term with a gradient; `none` is no decay of alpha.
    """

    order: int = 3
    extent: float = 2.0
    sigma_init: float = 1.0
    learn_sigma: bool = True
    size_rule: SizeRule = "code"
    gauss_norm: GaussNorm = "sum"
    alpha_init: AlphaInit = "unit"
    sigma_scale: float = 1.0
    safe_subsample: float | None = None
    safe_rule: SafeRule = "paper"
    safe_position: SafePosition = "after"
    safe_layers: SafeLayers = "all"
    max_radius: int | None = 64
    execution: Execution = "auto"
    padding_mode: str = "zeros"
    sigma_lr_scale: float = 1.0
    sigma_weight_decay: float = 0.0
    alpha_weight_decay: float | None = None
    alpha_penalty: AlphaPenalty = "decay"

    def check(self) -> None:
        """Refuse wrong types and values out of range.

        Raises:
            ValueError: Names the option, the value and what is allowed.
        """
        check_number("order", self.order, 0, 10, integer=True)
        check_number("extent", self.extent, 0, exclusive=True)
        check_number("sigma_init", self.sigma_init, 2.0**LEAST_SCALE, LARGEST_SIGMA_INIT)
        check_number("sigma_scale", self.sigma_scale, 0, exclusive=True)
        if self.max_radius is not None:
            check_number("max_radius", self.max_radius, 1, integer=True)
        check_flag("learn_sigma", self.learn_sigma)
        check_choice("size_rule", self.size_rule, SizeRule)
        check_choice("gauss_norm", self.gauss_norm, GaussNorm)
        check_choice("alpha_init", self.alpha_init, AlphaInit)
        check_choice("execution", self.execution, Execution)
        if self.execution == "masked" and self.size_rule != "fixed" and self.max_radius is None:
            message = "max_radius (=None) must be an integer >= 1 with execution 'masked'"
            raise ValueError(message)


def check_choice(name: str, value: object, choices: Any) -> None:  # noqa: ANN401 - a Literal
    """Refuse a value that a `Literal` does not list.

    Raises:
        ValueError: Names the option, the value and the choices.
    """
    if not isinstance(value, str) or value not in get_args(choices):
        message = f"{name} (={value!r}) must be one of {list(get_args(choices))}"
        raise ValueError(message)


def check_flag(name: str, value: object) -> None:
    """Refuse what is not a bool.

    Raises:
        ValueError: Names the option and the value.
    """
    if not isinstance(value, bool):
        message = f"{name} (={value!r}) must be true or false"
        raise ValueError(message)  # noqa: TRY004 - every wrong option is a ValueError


def check_number(
    name: str,
    value: object,
    least: float,
    most: float = math.inf,
    *,
    integer: bool = False,
    exclusive: bool = False,
) -> None:
    """Refuse what is not a finite number in a range; a bool is not a number.

    Args:
        name: Name of the option.
        value: What was given.
        least: Lower end of the range.
        most: Upper end of the range, included.
        integer: Whether the number must be an int.
        exclusive: Whether the lower end is left out.

    Raises:
        ValueError: Names the option, the value and the range.
    """
    is_number = isinstance(value, int if integer else (int, float)) and not isinstance(value, bool)
    if isinstance(value, (int, float)) and is_number and math.isfinite(value):
        is_above = value > least if exclusive else value >= least
        if is_above and value <= most:
            return
    kind = "an integer" if integer else "a number"
    bounds = f"{'>' if exclusive else '>='} {least}" + (
        f" and <= {most}" if most < math.inf else ""
    )
    message = f"{name} (={value!r}) must be {kind} {bounds}"
    raise ValueError(message)
