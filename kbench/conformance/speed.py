"""Time and memory beside the plain convolution, shown and never judged."""

import time

import torch
from torch import Tensor, nn

from kbench.conformance.cases import Case
from kbench.conformance.expectations import weighted_sum
from kbench.conformance.subject import Subject

CHANNELS = 16
LARGE_SIDES = {1: (1024,), 2: (32, 32)}
BATCH = 4
REPEATS = 6


def speed_cases(dims: int) -> list[Case]:
    """Return a dense and a depthwise convolution of 16 channels."""
    sizes = (dims, CHANNELS, CHANNELS)
    return [Case(*sizes), Case(*sizes, groups=CHANNELS)]


def check_speed(subject: Subject, case: Case) -> str:
    """Return time of forward and backward, and memory kept for backward, as ratios."""
    x = case.input(BATCH, LARGE_SIDES[case.dims])
    plain, module = case.plain(), subject.build(case)
    seconds = [_measure_time(each, x) for each in (module, plain)]
    kept = [_measure_memory(each, x) for each in (module, plain)]
    return (
        f"forward + backward {seconds[0] / seconds[1]:.2f}x the time of the plain convolution, "
        f"{kept[0] / kept[1]:.2f}x its memory for backward"
    )


def _measure_time(module: nn.Module, x: Tensor) -> float:
    """Return the least seconds of a step: what others do on the machine only adds."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        torch.autograd.backward(weighted_sum(module(x)))
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _measure_memory(module: nn.Module, x: Tensor) -> int:
    """Return the bytes of parameters and of what the graph keeps, each counted once."""
    kept = {p.data_ptr(): p.untyped_storage().nbytes() for p in module.parameters()}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        module(x)
    return sum(kept.values())
