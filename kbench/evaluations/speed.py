"""How fast the network is on random inputs.

Shapes: B batch, C channels, S spatial sides.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from kbench.evaluations.network import Evaluated
from kbench.network import fold_operators
from kbench.registry import EVALUATIONS
from kbench.timing import time_in_turns
from kbench.work import MIB, count_macs_of, measure_peak_mib

LIMIT_S = 60.0


@EVALUATIONS.register("speed")
def speed(
    network: Evaluated,
    *,
    batch_size: int = 32,
    repetitions: int = 20,
    folded: bool = False,
    train: bool = True,
    cudnn_benchmark: bool = False,
) -> Iterator[tuple[str, float]]:
    """Seconds, memory and work of a forward pass and an iteration on one batch of random inputs.

    The forward pass is that of inference, without gradients. The iteration, unless `train` is
    false, is a forward and backward pass in training mode, without optimiser, with a fixed random
    gradient of the outputs. Seconds are medians over the repetitions, in the recipe's precision,
    after warm-up; a repetition lasts at least 10 ms, and after a minute no other begins. Memory is
    that of network, inputs and whatever one of the longer passes allocates, by the rules of
    `kbench.work.measure_peak_mib`. `folded` measures the plain convolutions that operators amount
    to at inference, and appends `.folded` to every name, so that both stand side by side.
    """
    device = network.device
    first = next(iter(network.loader.batches(0))).inputs
    devices = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices),
        _cudnn_benchmark(enabled=cudnn_benchmark),
        _process_peak(device),
    ):
        model = copy.deepcopy(network.model)
        model = fold_operators(model.eval()) if folded else model
        passes = _Passes(network, model, _random_like(first, batch_size))
        calls: dict[str, Callable[[], object]] = {"forward_s": passes.forward}
        if train:
            calls["iteration_s"] = passes.iteration
        timings = time_in_turns(calls, rounds=repetitions, device=device, limit_s=LIMIT_S)
        passes.model.zero_grad(set_to_none=True)
        working_mib = measure_peak_mib(calls["iteration_s" if train else "forward_s"], device)
        macs = count_macs_of(passes.train_forward) / batch_size
        own_mib = passes.own_mib()
    found = {name: timing.median_ms / 1e3 for name, timing in timings.items()}
    found["forward_images_per_s"] = batch_size / found["forward_s"]
    if train:
        found["iteration_images_per_s"] = batch_size / found["iteration_s"]
    found["pass_memory_mib"] = own_mib + working_mib
    found["pass_macs"] = macs
    suffix = ".folded" if folded else ""
    yield from ((f"{name}{suffix}", value) for name, value in found.items())


class _Passes:
    """The calls that are measured."""

    def __init__(self, network: Evaluated, model: nn.Module, inputs: Tensor) -> None:
        self.network, self.model, self.inputs = network, model, inputs
        self.gradient = torch.randn_like(self.forward())

    def forward(self) -> Tensor:
        """Run inference on the batch."""
        self._set_mode(training=False)
        with torch.no_grad(), self.network.autocast():
            return self.model(self.inputs)

    def train_forward(self) -> Tensor:
        """Run the forward pass of training, which builds every kernel."""
        self._set_mode(training=True)
        with self.network.autocast():
            return self.model(self.inputs)

    def iteration(self) -> None:
        """Run training on the batch, without the optimiser."""
        self.model.zero_grad(set_to_none=True)
        torch.autograd.backward(self.train_forward(), self.gradient)

    def own_mib(self) -> float:
        """Return MiB of parameters, buffers and inputs."""
        tensors = chain(self.model.parameters(), self.model.buffers(), [self.inputs])
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / MIB

    def _set_mode(self, *, training: bool) -> None:
        if self.model.training != training:
            self.model.train(training)


def _random_like(first: Tensor, batch_size: int) -> Tensor:
    """Return normal random inputs (B, C, *S), as those of the loader in shape and layout."""
    inputs = torch.randn(batch_size, *first.shape[1:], device=first.device)
    is_channels_last = first.ndim == 4 and not first.is_contiguous()
    return inputs.contiguous(memory_format=torch.channels_last) if is_channels_last else inputs


@contextlib.contextmanager
def _process_peak(device: torch.device) -> Iterator[None]:
    """Bring the allocator's peak, which the measurement resets, back to what it had reached."""
    if device.type != "cuda":
        yield
        return
    earlier = torch.cuda.max_memory_allocated(device)
    yield
    missing = max(earlier - torch.cuda.memory_allocated(device), 0)
    # So much was free before; if it has been fragmented since, the peak stays too low.
    with contextlib.suppress(torch.OutOfMemoryError):
        torch.empty(missing, dtype=torch.uint8, device=device)


@contextlib.contextmanager
def _cudnn_benchmark(*, enabled: bool) -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = enabled
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
