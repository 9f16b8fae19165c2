"""Time, memory and work of equal or comparable modules, side by side on one input."""

import contextlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kbench.timing import Call, Clock, Timing, time_in_turns
from kbench.work import count_macs, measure_peak_mib

Precision = Literal["fp32", "bf16"]
Part = Literal["forward", "step", "memory"]

PARTS: tuple[Part, ...] = ("forward", "step", "memory")
MAX_MACS = {"cpu": 40 * 10**9, "cuda": 4_000 * 10**9}


@dataclass(frozen=True)
class Settings:
    """How everything of one table is measured.

    Attributes:
        device: `cpu`, `cuda` or `cuda:N`.
        precision: `bf16` is autocast, as in training.
        channels_last: Whether inputs and weights have the channels as the innermost axis.
        compiled: Whether modules go through `torch.compile`.
        batch_size: Maps in a batch.
        repetitions: Rounds of turns; fewer if they would take over a minute.
        clock: As for `kbench.timing.time_in_turns`.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    channels_last: bool = False
    compiled: bool = False
    batch_size: int = 8
    repetitions: int = 9
    clock: Clock = "wall"

    def with_batch(self, batch_size: int) -> "Settings":
        """Return the same settings for another batch size."""
        return replace(self, batch_size=batch_size)

    def describe(self) -> dict[str, Any]:
        """Return the fields of `Circumstances`."""
        return {
            "device": self.device,
            "precision": self.precision,
            "layout": "channels_last" if self.channels_last else "contiguous",
            "is_compiled": self.compiled,
            "threads": torch.get_num_threads(),
            "clock": self.clock,
        }

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context that forward passes run in."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What all rows of one table have in common.

    Attributes:
        device: Where it ran.
        precision: `fp32`, or `bf16` by autocast.
        layout: `contiguous` or `channels_last`.
        is_compiled: Whether by `torch.compile`.
        threads: Threads of torch in this process.
        clock: What was timed, `wall` or `cpu` time.
    """

    device: str
    precision: str
    layout: str
    is_compiled: bool
    threads: int
    clock: str


SHARED = tuple(field.name for field in fields(Circumstances))


@dataclass(frozen=True)
class FormCost:
    """What one form costs.

    Attributes:
        num_params: Parameters, frozen ones too.
        macs: Multiply-accumulates of a forward pass of the batch, as `count_macs` says.
        forward: Forward pass in evaluation, without gradients; a form may keep what it prepared.
        step: Forward and backward pass in training, with the gradient of the input.
        peak_mib: Peak memory of a step, as `measure_peak_mib` says.

    The last three are None if they were not asked for or the work is beyond `MAX_MACS`.
    """

    num_params: int
    macs: int
    forward: Timing | None = None
    step: Timing | None = None
    peak_mib: float | None = None


def measure_forms(
    forms: Mapping[str, nn.Module],
    input_shape: tuple[int, ...],
    settings: Settings,
    parts: Container[Part] = PARTS,
) -> dict[str, FormCost]:
    """Measure modules on the same random input; they take turns.

    Args:
        forms: The modules, by name; they are moved to the device.
        input_shape: Shape of one input, without the batch.
        settings: How to measure.
        parts: What to measure beside parameters and MACs.
    """
    device = torch.device(settings.device)
    shape = (settings.batch_size, *input_shape)
    costs = {
        name: FormCost(sum(p.numel() for p in module.parameters()), count_macs(module, shape))
        for name, module in forms.items()
    }
    torch.compiler.reset()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    runners = {
        name: _Runner(forms[name], x, settings)
        for name, cost in costs.items()
        if cost.macs <= MAX_MACS[device.type]
    }
    forward = _time({n: r.forward for n, r in runners.items()}, settings, "forward" in parts)
    for runner in runners.values():
        runner.module.train()
    step = _time({n: r.step for n, r in runners.items()}, settings, "step" in parts)
    measured = runners if "memory" in parts else {}
    peaks = {name: runner.measure_peak_mib() for name, runner in measured.items()}
    return {
        name: replace(
            cost, forward=forward.get(name), step=step.get(name), peak_mib=peaks.get(name)
        )
        for name, cost in costs.items()
    }


class _Runner:
    """One module with its input, in evaluation mode until it is told otherwise."""

    def __init__(self, module: nn.Module, x: Tensor, settings: Settings) -> None:
        memory_format = torch.channels_last if settings.channels_last else torch.preserve_format
        self.module = module.to(settings.device).to(memory_format=memory_format).eval()
        self.x = x.to(settings.device, memory_format=memory_format).requires_grad_()
        self.settings = settings
        self.compiled = torch.compile(module) if settings.compiled else module
        self.gradient: Tensor | None = None

    def forward(self) -> None:
        with torch.no_grad(), self.settings.autocast():
            self.compiled(self.x)

    def step(self) -> None:
        self._step(self.compiled)

    def measure_peak_mib(self) -> float:
        """Return the peak memory of a step; on the CPU never of compiled code, which hides it."""
        module = self.module if self.x.device.type == "cpu" else self.compiled
        self._step(module)
        self._forget_gradients()
        return measure_peak_mib(partial(self._step, module), self.x.device)

    def _step(self, module: Callable[[Tensor], Tensor]) -> None:
        self._forget_gradients()
        with self.settings.autocast():
            y = module(self.x)
        if self.gradient is None:
            self.gradient = torch.randn_like(y)
        torch.autograd.backward(y, self.gradient)

    def _forget_gradients(self) -> None:
        self.x.grad = None
        self.module.zero_grad(set_to_none=True)


def _time(calls: Mapping[str, Call], settings: Settings, is_wanted: bool) -> dict[str, Timing]:
    if not calls or not is_wanted:
        return {}
    device = torch.device(settings.device)
    rounds, clock = settings.repetitions, settings.clock
    return time_in_turns(calls, rounds=rounds, device=device, clock=clock)
