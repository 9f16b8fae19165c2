"""Do gradients reach everything that is to be learned, and are they right."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from kbench.conformance.cases import SMALL_SIDES, Case
from kbench.conformance.expectations import (
    disturb,
    expect,
    expect_finite,
    fixed_seed,
    learnable,
    weighted_sum,
)
from kbench.conformance.state import offering
from kbench.conformance.subject import Subject

STEP = 1e-6  # rounding costs 1e-10 of the sum, the third derivative less
TOLERANCE = 1e-5


def check_gradients(subject: Subject, case: Case) -> None:
    """Every learnable parameter and the input get a finite gradient that is not all zero.

    Except for parameters that the operator declares, as `gradient of NAME`.
    """
    module = disturb(subject.build(case))
    x = case.input().requires_grad_()
    torch.autograd.backward(weighted_sum(module(x)))
    declared = getattr(module, "conformance_exceptions", {})
    for name, tensor in {"the input": x, **learnable(module)}.items():
        if f"gradient of {name}" in declared:
            continue
        gradient = tensor.grad
        if gradient is None:
            expect(condition=False, message=f"{name} has no gradient, expected one")
            continue
        expect_finite(gradient, f"gradient of {name}")
        expect(gradient.count_nonzero(), f"gradient of {name} is all zero, expected numbers")


def check_gradcheck(subject: Subject, case: Case) -> None:
    """Gradients equal finite differences, in double precision."""
    module = disturb(subject.build(case)).double()
    x = case.input(batch=2, sides=_sides(case), dtype=torch.float64).requires_grad_()

    def apply(x: Tensor, *_parameters: Tensor) -> Tensor:
        with fixed_seed():
            return module(x)

    named = {"the input": x, **learnable(module)}
    _check_directions(apply, named)
    inputs = tuple(named.values())
    torch.autograd.gradcheck(apply, inputs, fast_mode=True, nondet_tol=1e-10)


def _check_directions(apply: Callable[..., Tensor], named: Mapping[str, Tensor]) -> None:
    """Compare along a random direction each: what torch's check needs minutes to name."""
    x, *_ = tensors = list(named.values())
    total = weighted_sum(apply(x))
    gradients = torch.autograd.grad(total, tensors, allow_unused=True, materialize_grads=True)
    for (name, tensor), gradient in zip(named.items(), gradients, strict=True):
        generator = torch.Generator().manual_seed(2)
        step = STEP * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        with torch.no_grad():
            sums = []
            for change in (step, -2 * step):
                tensor.add_(change)
                sums.append(weighted_sum(apply(x)).item())
            tensor.add_(step)
        expected = (sums[0] - sums[1]) / 2 / STEP
        found = (gradient * step).sum().item() / STEP
        is_close = math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        expect(is_close, f"gradient of {name} is {found:g}, by finite differences {expected:g}")


def _sides(case: Case) -> tuple[int, ...]:
    """Return small sides that hold the kernel without padding."""
    plain = case.plain()
    kernels, dilations = plain.kernel_size, plain.dilation
    axes = zip(SMALL_SIDES[case.dims], kernels, dilations, strict=True)  # type: ignore[arg-type] # torch's attributes
    return tuple(max(side, step * (kernel - 1) + 1) for side, kernel, step in axes)


def check_regularisation(subject: Subject, case: Case) -> None:
    """The term for the loss is one finite number with finite gradients."""
    module: Any = disturb(offering(subject, case, "regularisation"))
    module(case.input())
    term = module.regularisation()
    expect(isinstance(term, Tensor), f"regularisation() is a {type(term).__name__}, not a tensor")
    expect(term.ndim == 0, f"regularisation() has shape {tuple(term.shape)}, expected ()")
    expect_finite(term.detach(), "regularisation()")
    if not term.requires_grad:
        expect(term == 0, f"regularisation() is {term.item():g} without a gradient, expected one")
        return
    torch.autograd.backward(term)
    for name, parameter in learnable(module).items():
        if parameter.grad is not None:
            expect_finite(parameter.grad, f"gradient of regularisation() for {name}")
