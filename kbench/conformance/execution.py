"""Does the output depend on nothing but the input and the parameters: not on mode, type or layout.

Shapes: B batch, I input channels, S spatial sides.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kbench.conformance.cases import Case
from kbench.conformance.expectations import (
    evaluate,
    expect,
    expect_close,
    expect_finite,
    fixed_seed,
    learnable,
    weighted_sum,
)
from kbench.conformance.outcome import NotOfferedError
from kbench.conformance.subject import Subject

SINGLE = 1e-5  # some hundred roundings of 6e-8
HALF = 4e-2  # ten roundings of 2^-8, relative to the largest output
COMPILED = 1e-4


def check_determinism(subject: Subject, case: Case) -> None:
    """Evaluation gives the same output twice, with and without a graph, and draws no numbers."""
    x = case.input()
    module = subject.build(case)
    state = torch.get_rng_state()
    first, second = evaluate(module, x), evaluate(module, x)
    expect(torch.equal(first, second), "a second evaluation differs, expected equal outputs")
    is_kept = torch.equal(state, torch.get_rng_state())
    expect(is_kept, "evaluation draws random numbers, expected none")
    expect_close(module(x).detach(), first, SINGLE, "output with a graph")


def check_modes(subject: Subject, case: Case) -> None:
    """Training and evaluation give the same output."""
    x = case.input()
    module = subject.build(case)
    if any(hasattr(part, "running_mean") for part in module.modules()):
        message = "has a normalisation layer"
        raise NotOfferedError(message)
    state = torch.get_rng_state()
    found = module.train()(x).detach()
    if not torch.equal(state, torch.get_rng_state()):
        message = "training draws random numbers"
        raise NotOfferedError(message)
    expect_close(evaluate(module, x), found, SINGLE, "output in evaluation, as against training,")


def check_batch(subject: Subject, case: Case) -> None:
    """The output for an image does not depend on the others of its batch."""
    x = case.input(batch=3)
    module = subject.build(case)
    expect_close(evaluate(module, x[1:2]), evaluate(module, x)[1:2], SINGLE, "output of one image")


def check_nan(subject: Subject, case: Case) -> None:
    """An image of NaN gives NaN everywhere, and no other image gets any."""
    x = case.input(batch=2)
    x[0] = torch.nan
    y = evaluate(subject.build(case), x)
    share = y[0].isnan().double().mean().item()
    expect(share == 1, f"an image of NaN gives {share:.0%} NaN, expected all")
    expect_finite(y[1], "output of the image beside one of NaN")


def check_dtype(subject: Subject, case: Case) -> None:
    """A module in double or bfloat16 gives that type, and what its rounded parameters say."""
    x = case.input()
    module = subject.build(case)
    for dtype, tolerance in ((torch.float64, SINGLE), (torch.bfloat16, HALF)):
        rounded = copy.deepcopy(module).to(dtype)
        y = evaluate(rounded, x.to(dtype))
        expected = evaluate(copy.deepcopy(rounded).float(), x.to(dtype).float())
        expect(y.dtype == dtype, f"output of a {dtype} module is {y.dtype}, expected {dtype}")
        expect_close(y, expected, tolerance, f"output in {dtype}")


def check_autocast(subject: Subject, case: Case) -> None:
    """Under autocast to bfloat16 outputs are close and gradients finite."""
    x = case.input()
    module = subject.build(case)
    with fixed_seed():
        expected = module(x).detach()
    with fixed_seed(), torch.autocast("cpu", dtype=torch.bfloat16):
        y = module(x)
    allowed = (torch.bfloat16, torch.float32)
    expect(y.dtype in allowed, f"output is {y.dtype}, expected bfloat16 or float32")
    expect_close(y.detach(), expected, HALF, "output under autocast")
    if y.requires_grad:
        torch.autograd.backward(weighted_sum(y))
    for name, parameter in learnable(module).items():
        if parameter.grad is not None:
            expect_finite(parameter.grad, f"gradient of {name} under autocast")


def check_channels_last(subject: Subject, case: Case) -> None:
    """The order of the axes in memory changes nothing."""
    if case.dims != 2:
        message = "2-D only"
        raise NotOfferedError(message)
    x = case.input()
    module = subject.build(case)
    expected = evaluate(module, x)
    ordered = x.to(memory_format=torch.channels_last)
    expect_close(evaluate(module, ordered), expected, SINGLE, "output for a channels_last input")
    module.to(memory_format=torch.channels_last)
    expect_close(evaluate(module, ordered), expected, SINGLE, "output of a channels_last module")


def check_compile(subject: Subject, case: Case) -> None:
    """The layer is captured as one graph, which gives the same output and gradients."""
    module = subject.build(case)
    expected = _step(module, module, case)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    for name, gradient in _step(module, compiled, case).items():
        expect_close(gradient, expected[name], COMPILED, f"{name} of the compiled module")


def _step(module: nn.Module, run: Callable[..., Tensor], case: Case) -> dict[str, Tensor]:
    """Return the output and all gradients."""
    module.zero_grad()
    x = case.input().requires_grad_()
    with fixed_seed():
        y = run(x)
    torch.autograd.backward(weighted_sum(y))
    found = {"the gradient of the input": x.grad} | {
        f"the gradient of {name}": parameter.grad for name, parameter in learnable(module).items()
    }
    present = {name: gradient.clone() for name, gradient in found.items() if gradient is not None}
    return {"the output": y.detach(), **present}
