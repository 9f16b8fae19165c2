"""Memory and work of a call: peak of what it allocates, multiply-accumulates of a forward pass."""

import copy
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.weak import WeakIdKeyDictionary

MIB = 2**20
PRODUCTS = (torch.ops.aten.mm, torch.ops.aten.bmm, torch.ops.aten.addmm)


def measure_peak_mib(call: Callable[[], object], device: torch.device) -> float:
    """Return how far a call raises the allocated memory at most, in MiB.

    What was allocated before, as parameters and inputs, does not count; gradients and activations
    do. On CUDA this is the caching allocator's `max_memory_allocated`. On the CPU it is the largest
    sum of bytes of all tensor storages that the call makes and that live at the same time; what an
    operation needs only while it runs is not seen, nor is anything inside a compiled graph.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MIB
    with LiveStorages() as live:
        call()
    return live.peak / MIB


class LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's is not annotated
    """Adds up the storages that operations make while it is active.

    Attributes:
        live: Bytes of those that live now.
        peak: Largest `live` so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch has no annotation
        self.live = self.peak = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation returns
        """Run the operation; count the storages of its results that were not there before."""
        given = kwargs or {}
        self._see((args, given), is_new=False)
        result = func(*args, **given)
        self._see(result, is_new=True)
        return result

    def _see(self, tree: object, *, is_new: bool) -> None:
        for leaf in tree_leaves(tree):
            if not isinstance(leaf, Tensor):
                continue
            storage = leaf.untyped_storage()
            if storage in self._known:
                continue
            self._known[storage] = True
            if is_new:
                size = storage.nbytes()
                self.live += size
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self._forget, size).atexit = False

    def _forget(self, size: int) -> None:
        self.live -= size


def count_macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the multiply-accumulates of one forward pass in training, without doing it.

    Matrix products and convolutions count, complex ones four times; a Fourier transform of n
    complex points counts 5/2 n log2 n, of n real points half of it. Element by element products
    do not count but for those of complex numbers, which are convolutions: four each.

    Args:
        module: On any device; it is not changed.
        input_shape: Shape of the input, batch included.
    """
    shadow = copy.deepcopy(module).to("meta").train()
    with torch.no_grad():
        return count_macs_of(lambda: shadow(torch.empty(input_shape, device="meta")))


def count_macs_of(call: Callable[[], object]) -> int:
    """Return the multiply-accumulates of a call while doing it, counted as by `count_macs`."""
    counter = FlopCounterMode(display=False, custom_mapping=_formulas())
    with counter:
        call()
    return counter.get_total_flops() // 2


class _MaybeComplex:
    """Formula of a product for real numbers, times four for complex ones."""

    _get_raw = True  # torch's mark of a formula that takes tensors instead of their shapes

    def __init__(self, formula: Callable[..., int]) -> None:
        self.formula = formula

    def __call__(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - any operation's
        is_complex = any(isinstance(value, Tensor) and value.is_complex() for value in args)
        return self.formula(*args, **kwargs) * (4 if is_complex else 1)


class _ComplexProduct:
    """Formula of a product element by element, which counts for complex numbers only."""

    _get_raw = True  # as above

    def __call__(self, *args: Any, out_val: Tensor, **_: Any) -> int:  # noqa: ANN401 - any operation's
        are_complex = [isinstance(value, Tensor) and value.is_complex() for value in args]
        return 8 * out_val.numel() if all(are_complex) else 0


def _formulas() -> dict[Any, Callable[..., int]]:
    products = {product: _MaybeComplex(flop_registry[product]) for product in PRODUCTS}
    aten = torch.ops.aten
    return {
        **products,
        aten.mul: _ComplexProduct(),
        aten._fft_c2c: _complex_transform_flops,  # noqa: SLF001 - what torch.fft runs
        aten._fft_r2c: _forward_transform_flops,  # noqa: SLF001 - what torch.fft runs
        aten._fft_c2r: _backward_transform_flops,  # noqa: SLF001 - what torch.fft runs
    }


def _complex_transform_flops(
    shape: Sequence[int], dim: Sequence[int], *_: object, out_shape: object, **__: object
) -> int:
    del out_shape
    return round(5 * _points(shape, dim))


def _forward_transform_flops(
    shape: Sequence[int], dim: Sequence[int], *_: object, out_shape: object, **__: object
) -> int:
    del out_shape
    return round(2.5 * _points(shape, dim))


def _backward_transform_flops(
    shape: Sequence[int], dim: Sequence[int], *_: object, out_shape: Sequence[int], **__: object
) -> int:
    del shape
    return round(2.5 * _points(out_shape, dim))


def _points(shape: Sequence[int], dim: Sequence[int]) -> float:
    """Return N log2 n for N numbers of which n form one transform."""
    return math.prod(shape) * math.log2(math.prod(shape[axis] for axis in dim))
