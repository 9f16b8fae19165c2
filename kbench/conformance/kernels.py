"""Is the operator the convolution that it says it is.

Shapes: B batch, I input channels, O output channels, G groups, K kernel sides, S spatial sides.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kbench.conformance.cases import SIDES, Case, usual_cases
from kbench.conformance.expectations import (
    disturb,
    evaluate,
    expect,
    expect_close,
    expect_finite,
    expect_shape,
)
from kbench.conformance.outcome import NotOfferedError
from kbench.conformance.state import offering
from kbench.conformance.subject import Subject
from kbench.errors import UnsupportedError

FOLDED = 1e-5  # some hundred roundings in single precision
SHIFTED = 1e-4  # transforms of other numbers round otherwise
SHIFTS = (3, -2)
MAP_SIDES = (29, 27)
BLOB = slice(12, 16)


def kernel_cases(dims: int) -> list[Case]:
    """Return the usual cases, one of uneven padding and those of other padding modes."""
    base = Case(dims)
    modes = [replace(base, padding_mode=mode) for mode in ("circular", "reflect")]
    return [*usual_cases(dims), replace(base, kernel_size=2), replace(base, padding=2), *modes]


def check_fold(subject: Subject, case: Case) -> None:
    """The folded module is made of plain convolutions of its own and gives the same output."""
    module, folded = _folded(subject, case)
    x = case.input()
    expect_close(evaluate(folded, x), evaluate(module, x), FOLDED, "output of the folded module")
    own = {p.data_ptr() for p in module.parameters()}
    is_apart = not own & {p.data_ptr() for p in folded.parameters()}
    expect(is_apart, "the folded module shares parameters, expected copies")


def check_effective_kernel(subject: Subject, case: Case) -> None:
    """The kernel is (O, I/G, *K), and the weight that folding gives."""
    _require_padding_mode(subject, case)
    module: Any = disturb(offering(subject, case, "effective_kernel")).eval()
    try:
        kernel = module.effective_kernel(SIDES[case.dims]).detach()
    except UnsupportedError as error:
        raise NotOfferedError(str(error)) from error
    expect_shape(kernel.shape[:2], _channels(case), "effective_kernel, first two axes,")
    expect(
        kernel.ndim == case.dims + 2,
        f"effective_kernel has {kernel.ndim} axes, expected {case.dims + 2}",
    )
    expect_finite(kernel, "effective_kernel")
    if hasattr(type(module), "fold"):
        weights = [p.detach() for p in module.fold().parameters() if p.ndim == kernel.ndim]
        expect(len(weights) == 1, f"fold gives {len(weights)} kernels, expected 1")
        expect_close(trim(kernel), trim(weights[0]), FOLDED, "effective_kernel, beside the folded,")


def _folded(subject: Subject, case: Case) -> tuple[nn.Module, nn.Module]:
    """Return a module in evaluation mode and what it folds to."""
    _require_padding_mode(subject, case)
    module: Any = disturb(offering(subject, case, "fold"))
    module(case.input())
    module.eval()
    try:
        return module, module.fold()
    except UnsupportedError as error:
        raise NotOfferedError(str(error)) from error


def _require_padding_mode(subject: Subject, case: Case) -> None:
    if case.padding_mode != "zeros" and "padding_mode" not in subject.option_names:
        message = "no option padding_mode"
        raise NotOfferedError(message)


def _channels(case: Case) -> tuple[int, int]:
    return case.out_channels, case.in_channels // case.groups


def trim(kernel: Tensor) -> Tensor:
    """Return a kernel without the outer taps that are zero for all channels."""
    taps = kernel.abs().amax((0, 1))
    for axis in range(taps.ndim):
        others = tuple(other for other in range(taps.ndim) if other != axis)
        line = taps.amax(others) if others else taps
        kept = line.nonzero().flatten().tolist() or [0]
        kernel = kernel.narrow(axis + 2, kept[0], kept[-1] - kept[0] + 1)
    return kernel


def check_equivariance(subject: Subject, case: Case) -> None:
    """Where it is claimed, the output moves with a shape that moves away from the borders."""
    module = subject.build(case)
    if not getattr(type(module), "is_translation_equivariant", False):
        message = "is_translation_equivariant is not true"
        raise NotOfferedError(message)
    sides = MAP_SIDES[: case.dims]
    where = (slice(None), slice(None), *(BLOB,) * case.dims)
    x = torch.zeros(2, case.in_channels, *sides)
    x[where] = case.input(sides=(4,) * case.dims)
    axes = tuple(range(2, 2 + case.dims))
    moved = x.roll(SHIFTS[: case.dims], axes)
    y, found = evaluate(module, x), evaluate(module, moved)
    for axis, shift in zip(axes, SHIFTS, strict=False):
        length = y.shape[axis] - abs(shift)
        y = y.narrow(axis, max(-shift, 0), length)
        found = found.narrow(axis, max(shift, 0), length)
    expect_close(found, y, SHIFTED, "output for a moved input")


def unit_stride_cases(dims: int) -> list[Case]:
    """Return the usual cases at which an output is as large as its input."""
    return [case for case in usual_cases(dims) if case.stride == 1]
