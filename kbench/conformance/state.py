"""Is a module nothing but its parameters and buffers: saved, copied, seeded, handed out."""

import copy
import io
import math
from typing import Any

import torch
from torch import Tensor, nn

from kbench.conformance.cases import Case
from kbench.conformance.expectations import (
    disturb,
    evaluate,
    expect,
    expect_close,
    expect_finite,
    expect_shape,
    learnable,
)
from kbench.conformance.outcome import NotOfferedError
from kbench.conformance.subject import Subject
from kbench.operators import finish_operators

SAME_CODE = 1e-6  # the same numbers in the same order, but for blocking inside of libraries


def offering(subject: Subject, case: Case, name: str) -> nn.Module:
    """Return a module whose class has an attribute.

    Raises:
        NotOfferedError: If it has not.
    """
    module = subject.build(case)
    if not hasattr(type(module), name):
        message = f"no {name}"
        raise NotOfferedError(message)
    return module


def check_state_dict(subject: Subject, case: Case) -> None:
    """A module of another seed gives the same output once it has loaded the state."""
    x = case.input()
    source, target = disturb(subject.build(case, seed=0)), subject.build(case, seed=1)
    source(x)
    expected = evaluate(source, x)
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    evaluate(target, x)
    target.load_state_dict(torch.load(file, weights_only=True), strict=True)
    expect_close(evaluate(target, x), expected, SAME_CODE, "output after load_state_dict")


def check_deepcopy(subject: Subject, case: Case) -> None:
    """A copy gives the same output and shares no parameter with the original."""
    x = case.input()
    module = subject.build(case)
    expected = evaluate(module, x)
    copied = copy.deepcopy(module)
    expect_close(evaluate(copied, x), expected, SAME_CODE, "output of a deep copy")
    shared = _addresses(module) & _addresses(copied)
    names = sorted(name for name, p in module.named_parameters() if p.data_ptr() in shared)
    expect(not names, f"a deep copy shares {names}, expected parameters of its own")
    disturb(copied)
    expect_close(evaluate(module, x), expected, SAME_CODE, "output once a deep copy has changed")


def _addresses(module: nn.Module) -> set[int]:
    return {p.data_ptr() for p in module.parameters() if p.numel()}


def check_update(subject: Subject, case: Case) -> None:
    """The output in evaluation follows a change of the parameters, nothing outdated is kept."""
    x = case.input()
    module = subject.build(case)
    before = evaluate(module, x)
    if not learnable(module):
        message = "nothing to learn"
        raise NotOfferedError(message)
    fresh = disturb(copy.deepcopy(module))
    found = evaluate(disturb(module), x)
    expect(not torch.equal(found, before), "output is as before the update, expected another one")
    expect_close(found, evaluate(fresh, x), SAME_CODE, "output after an update")


def check_seed(subject: Subject, case: Case) -> None:
    """Modules made under the same seed are equal."""
    first, second = (_tensors(subject.build(case, seed=3)) for _ in range(2))
    for name, tensor in first.items():
        other = second.get(name)
        is_equal = other is not None and torch.equal(tensor, other)
        expect(is_equal, f"{name} differs under the same seed, expected equal numbers")


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def check_num_params(subject: Subject, case: Case) -> str:
    """The number of parameters is what the operator's formula `num_params` says."""
    module: Any = offering(subject, case, "num_params")
    found = sum(p.numel() for p in module.parameters())
    expect(found == module.num_params, f"{found} parameters, expected {module.num_params}")
    return ""


def check_parameter_groups(subject: Subject, case: Case) -> None:
    """Groups hold parameters of the module, each once, with a usable rate and decay."""
    module: Any = offering(subject, case, "parameter_groups")
    names = {id(p): name for name, p in module.named_parameters()}
    seen: dict[int, str] = {}
    for group, (parameters, lr_scale, weight_decay) in module.parameter_groups().items():
        for parameter in parameters:
            is_own = id(parameter) in names
            expect(is_own, f"group {group!r} holds a tensor that is no parameter of the module")
            name, other = names[id(parameter)], seen.setdefault(id(parameter), group)
            expect(other == group, f"{name} is in groups {other!r} and {group!r}, expected one")
        once = len({id(parameter) for parameter in parameters}) == len(parameters)
        expect(once, f"group {group!r} holds a parameter twice, expected once")
        is_rate = 0 < lr_scale < math.inf
        expect(is_rate, f"group {group!r} has lr_scale {lr_scale!r}, expected a number > 0")
        is_decay = weight_decay is None or 0 <= weight_decay < math.inf
        expect(
            is_decay, f"group {group!r} has weight_decay {weight_decay!r}, expected None or >= 0"
        )


def check_after_init(subject: Subject, case: Case) -> None:
    """The step over a finished network takes any number of modules, and they still work."""
    offering(subject, case, "after_init")
    x = case.input()
    modules = [subject.construct(case, seed) for seed in range(2)]
    shapes = [module(x).shape for module in modules]
    type(modules[0]).after_init([])  # type: ignore[attr-defined] # `offering` has seen it
    with torch.random.fork_rng(devices=[]):
        finish_operators(modules)
    for module, shape in zip(modules, shapes, strict=True):
        y = module(x)
        expect_shape(y.shape, tuple(shape), "output after after_init")
        expect_finite(y.detach(), "output after after_init")
