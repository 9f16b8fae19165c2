"""Does the operator take what `torch.nn.ConvNd` takes, and refuse what it refuses."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from kbench.conformance.cases import Case
from kbench.conformance.expectations import expect, expect_shape
from kbench.conformance.outcome import MismatchError, NotOfferedError
from kbench.conformance.subject import RefusedError, Subject
from kbench.extensions import FAULTS


def check_construction(subject: Subject, case: Case) -> None:
    """A module of torch is made."""
    module: object = subject.construct(case)
    name = type(module).__name__
    expect(isinstance(module, nn.Module), f"construction gives {name}, expected torch.nn.Module")
    subject.build(case)


def check_shape(subject: Subject, case: Case) -> None:
    """The output is as large as that of the plain convolution."""
    if case.padding_mode != "zeros" and "padding_mode" not in subject.option_names:
        message = "no option padding_mode"
        raise NotOfferedError(message)
    x = case.input()
    y: object = subject.build(case)(x)
    if not isinstance(y, Tensor):
        message = f"output is {type(y).__name__}, expected a tensor"
        raise MismatchError(message)
    expect_shape(y.shape, case.plain()(x).shape, "output")


def check_meta(subject: Subject, case: Case) -> None:
    """A module without memory gives an output without memory, of the right shape."""
    x = case.input()
    expected = subject.build(case)(x).shape
    with torch.device("meta"):
        module = subject.build(case)
    places = {tensor.device.type for tensor in module.parameters()}
    expect(places <= {"meta"}, f"parameters are on {sorted(places)}, expected meta")
    expect_shape(module(x.to("meta")).shape, expected, "output on the meta device")


def check_arguments(subject: Subject, case: Case) -> str | None:
    """Wrong arguments are a `ValueError` at construction, at least those that torch refuses."""
    try:
        subject.construct(case)
    except (RefusedError, ValueError):
        return None
    except FAULTS as error:
        found = type(error).__name__
    else:
        found = "a module"
        if not _is_refused_by_torch(case):
            return f"{case.label}: taken, as by torch"
    expect(condition=False, message=f"construction gives {found}, expected ValueError")
    return None


def _is_refused_by_torch(case: Case) -> bool:
    try:
        with torch.device("meta"):
            case.plain()
    except (ValueError, RuntimeError):
        return True
    return False


def check_wrong_input(subject: Subject, case: Case) -> None:
    """Inputs of the wrong shape are an error, as for the plain convolution."""
    module = subject.build(case).eval()
    more = replace(case, in_channels=case.in_channels + 1).input()
    for what, x in (("one channel more", more), ("one axis less", case.input()[:, :, 0])):
        found = _shape_or_error(module, x)
        expect(found is None, f"an input with {what} gives an output {found}, expected an error")


def check_empty(subject: Subject, case: Case) -> None:
    """As for the plain convolution, an empty batch gives an empty batch, an empty map an error."""
    module = subject.build(case).eval()
    x = case.input()
    expect_shape(module(x[:0]).shape, (0, *module(x).shape[1:]), "output for an empty batch")
    found = _shape_or_error(module, x[..., :0])
    if _shape_or_error(case.plain(), x[..., :0]) is None:
        expect(found is None, f"an empty map gives an output {found}, expected an error")


def _shape_or_error(module: nn.Module, x: Tensor) -> tuple[int, ...] | None:
    try:
        return tuple(module(x).shape)
    except (RuntimeError, ValueError, IndexError):
        return None
