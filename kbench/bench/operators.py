"""Cost of the operators next to plain convolutions and to their own literal forms.

All forms of one operator and shape take turns within one run, so that what else the machine does
meets all of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from kbench.architectures import build_architecture
from kbench.bench.forms import Circumstances, FormCost, Settings, measure_forms
from kbench.bench.shapes import Shape, build_forms, kernel_text, variants_of
from kbench.errors import UnsupportedError
from kbench.registry import OPERATORS, OPERATORS_1D
from kbench.timing import Timing

NETWORK = "resnet20_cifar"
NETWORK_SHAPE = (3, 32, 32)
NETWORK_BATCHES = (8, 128)
NETWORK_EXPANSIONS = (1, 8, 128)


@dataclass(frozen=True, kw_only=True)
class FormSpeed(Circumstances):
    """What one form of an operator costs on one shape.

    A ratio is the operator's number over this form's: below 1 the operator is faster, smaller or
    has less to do. Ratios of time are medians over the rounds of turns, so they may differ from
    the ratio of the medians.

    Attributes:
        operator: Name and variant.
        shape: Channels and sides of the input.
        batch_size: Inputs in a batch.
        form: `operator`; `plain`, the plain convolution of the same channels (see
            `kbench.bench.shapes.build_forms`); `literal`, the paper's algorithm as it is written
            down (`kbench.bench.literal`).
        forward_ms: Median time of a forward pass in evaluation, without gradients.
        forward_low_ms: Lower quartile.
        forward_high_ms: Upper quartile.
        step_ms: Median time of a forward and backward pass in training, without optimiser.
        step_low_ms: Lower quartile.
        step_high_ms: Upper quartile.
        peak_mib: Peak memory of a step, see `kbench.work.measure_peak_mib`.
        num_params: Parameters, frozen ones too.
        macs: Multiply-accumulates of a forward pass in training for one batch, see
            `kbench.work.count_macs`.
        forward_ratio: The operator's time over this form's.
        step_ratio: Likewise.
        memory_ratio: Likewise, of memory.
        params_ratio: Likewise, of parameters.
        macs_ratio: Likewise, of multiply-accumulates.
        note: Kernel of the plain convolution, or why nothing was timed.
    """

    operator: str
    shape: str
    batch_size: int
    form: str
    forward_ms: float | None
    forward_low_ms: float | None
    forward_high_ms: float | None
    step_ms: float | None
    step_low_ms: float | None
    step_high_ms: float | None
    peak_mib: float | None
    num_params: int
    macs: int
    forward_ratio: float | None
    step_ratio: float | None
    memory_ratio: float | None
    params_ratio: float | None
    macs_ratio: float | None
    note: str


@dataclass(frozen=True)
class Case:
    """One operator on one shape.

    Attributes:
        operator: Name and variant.
        input_shape: Shape of one input.
        batch_size: Inputs in a batch.
        build: Makes the forms by name, `operator` among them.
    """

    operator: str
    input_shape: tuple[int, ...]
    batch_size: int
    build: Callable[[], Mapping[str, nn.Module]]

    def __str__(self) -> str:
        shape = "x".join(map(str, self.input_shape))
        return f"{self.operator}, {shape}, batch {self.batch_size}"


def bench_operators(
    cases: Iterable[Case], settings: Settings, on_case: Callable[[str], None] = lambda _: None
) -> list[FormSpeed]:
    """Measure all forms of every case.

    Args:
        cases: What to measure; the batch size is the case's.
        settings: How to measure.
        on_case: Told of every case before it is measured.

    Returns:
        A row per form, the operator's own first.

    Raises:
        UnsupportedError: If maps of one axis shall have the channels last.
    """
    rows = []
    for case in cases:
        if settings.channels_last and len(case.input_shape) != 3:
            message = f"{case}: channels_last exists for maps with two axes only"
            raise UnsupportedError(message)
        on_case(str(case))
        forms = case.build()
        given = settings.with_batch(case.batch_size)
        costs = measure_forms(forms, case.input_shape, given)
        for form, module in forms.items():
            note = f"kernel {kernel_text(module)}" if form == "plain" else ""
            rows.append(compare_form(case, form, costs, given, note))
    return rows


def operator_cases(
    operators: Sequence[str], shapes: Iterable[Shape], batch_size: int
) -> Iterator[Case]:
    """Yield every variant of the operators (all if none is named) on every shape that it takes.

    Raises:
        UnknownNameError: If there is no operator of a name, in two dimensions or in one.
    """
    for name in operators or OPERATORS:
        if name not in OPERATORS_1D:
            OPERATORS[name]
    for shape in shapes:
        registry = OPERATORS if shape.dims == 2 else OPERATORS_1D
        for name in operators or registry:
            for variant in variants_of(name) if name in registry else ():
                label = f"{name} {variant.label}"
                build = partial(build_forms, name, variant, shape)
                yield Case(label, shape.input_shape, batch_size, build)


def network_cases(operator: str, axis: str, values: Iterable[Any]) -> Iterator[Case]:
    """Yield a whole ResNet-20 at 32x32 with an operator, for values of one of its options.

    The peers are the network with plain convolutions and with `execution` `two_stage`.
    """
    for batch_size in NETWORK_BATCHES:
        for value in values:
            build = partial(build_networks, operator, {axis: value})
            label = f"{operator} {axis}={value}, {NETWORK}"
            yield Case(label, NETWORK_SHAPE, batch_size, build)


def build_networks(operator: str, options: Mapping[str, Any]) -> dict[str, nn.Module]:
    """Return the network with the operator, with plain convolutions and with two stages."""
    literal = {**options, "execution": "two_stage"}
    return {
        "operator": build_architecture(NETWORK, operator=operator, operator_options=dict(options)),
        "plain": build_architecture(NETWORK),
        "literal": build_architecture(NETWORK, operator=operator, operator_options=literal),
    }


def compare_form(
    case: Case, form: str, costs: Mapping[str, FormCost], settings: Settings, note: str = ""
) -> FormSpeed:
    """Return the row of one form, with its ratios to the form `operator`."""
    own, cost = costs["operator"], costs[form]
    is_timed = cost.step is not None
    forward_ms, forward_low_ms, forward_high_ms = _milliseconds(cost.forward)
    step_ms, step_low_ms, step_high_ms = _milliseconds(cost.step)
    return FormSpeed(
        operator=case.operator,
        shape="x".join(map(str, case.input_shape)),
        batch_size=settings.batch_size,
        form=form,
        forward_ms=forward_ms,
        forward_low_ms=forward_low_ms,
        forward_high_ms=forward_high_ms,
        step_ms=step_ms,
        step_low_ms=step_low_ms,
        step_high_ms=step_high_ms,
        peak_mib=cost.peak_mib,
        num_params=cost.num_params,
        macs=cost.macs,
        forward_ratio=_time_ratio(own.forward, cost.forward),
        step_ratio=_time_ratio(own.step, cost.step),
        memory_ratio=_ratio(own.peak_mib, cost.peak_mib),
        params_ratio=_ratio(own.num_params, cost.num_params),
        macs_ratio=_ratio(own.macs, cost.macs),
        note=note if is_timed else f"not timed: {cost.macs / 1e9:,.0f} GMACs",
        **settings.describe(),
    )


def _milliseconds(timing: Timing | None) -> tuple[float | None, float | None, float | None]:
    """Return median, lower and upper quartile."""
    return (None, None, None) if timing is None else (timing.median_ms, *timing.quartiles_ms)


def _time_ratio(own: Timing | None, other: Timing | None) -> float | None:
    return None if own is None or other is None else own.ratio_to(other)


def _ratio(own: float | None, other: float | None) -> float | None:
    return None if own is None or not other else own / other
