"""Convolutions of a network as analyses see them.

Shapes: O output channels, I input channels, G groups, M maps, K kernel sides, S spatial sides.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.evaluations.network import Evaluated

PLAIN = (nn.Conv1d, nn.Conv2d)
Seen = dict[nn.Module, tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class Layer:
    """A convolution of a network: an operator or a plain one.

    Attributes:
        name: As in `named_modules`.
        module: The layer.
        in_sides: Spatial sides S of its input, for an image of the test split.
        out_sides: Those of its output.
    """

    name: str
    module: Any
    in_sides: tuple[int, ...]
    out_sides: tuple[int, ...]

    @property
    def block(self) -> tuple[str, int] | None:
        """Return the path of the list of blocks that the layer is in, and the block's number.

        The number is at the end of the last part of the name that ends in one, the layer's own
        part counting only if it is nothing but a number: `layer2.1.conv1` is in block 1 of
        `layer2`. None for a layer in no list.
        """
        parts = self.name.split(".")
        if not parts[-1].isdecimal():
            parts.pop()
        while parts and not parts[-1][-1:].isdecimal():
            parts.pop()
        numbered = ".".join(parts)
        path = numbered.rstrip("0123456789")
        return (path.rstrip("."), int(numbered[len(path) :])) if path else None

    def kernel(self, sides: tuple[int, ...] | None = None) -> Tensor | None:
        """Return the applied kernel (O, I/G, *K) in float64, or None for a layer that has none.

        Args:
            sides: Sides of the input, where the kernel depends on them; those that were seen by
                default.
        """
        if not hasattr(self.module, "effective_kernel"):
            return self.module.weight.detach().double()
        with torch.no_grad(), contextlib.suppress(UnsupportedError):
            return self.module.effective_kernel(sides or self.in_sides).double()
        return None

    def kernels(self, sides: tuple[int, ...] | None = None) -> Tensor | None:
        """Return all kernels (M, *K), offset 0 at K // 2, or None for a layer that has none.

        They are those of all pairs of channels, or those that the operator declares.

        Args:
            sides: As for `kernel`.
        """
        if not hasattr(self.module, "centred_kernels"):
            kernel = self.kernel(sides)
            return None if kernel is None else kernel.flatten(0, 1)
        with torch.no_grad(), contextlib.suppress(UnsupportedError):
            return self.module.centred_kernels(sides or self.in_sides).double()
        return None


def first_image(network: Evaluated) -> Tensor:
    """Return the first image of the test split, (1, C, *S)."""
    return next(iter(network.loader.batches(0))).inputs[:1]


def find_layers(network: Evaluated, image: Tensor | None = None) -> list[Layer]:
    """Return the convolutions of a network in the order in which one image meets them.

    Args:
        network: The network and its images.
        image: (1, C, *S); None reads the first of the test split.
    """
    names: dict[nn.Module, str] = {}
    _collect(network.model, "", names)
    seen: Seen = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.setdefault(module, (tuple(inputs[0].shape[2:]), tuple(output.shape[2:])))

    with hooked(list(names), watch), evaluating(network.model), torch.no_grad():
        network.model(first_image(network) if image is None else image)
    return [Layer(names[module], module, *sides) for module, sides in seen.items()]


def spatial_kernels(network: Evaluated) -> Iterator[tuple[Layer, Tensor]]:
    """Yield the layers whose kernels have more than one tap, with `Layer.kernels`."""
    for layer in find_layers(network):
        kernels = layer.kernels()
        if kernels is not None and math.prod(kernels.shape[1:]) > 1:
            yield layer, kernels


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and every module back into its own mode at the end."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def hooked(modules: list[nn.Module], hook: Callable[..., None]) -> Iterator[None]:
    """Call `hook(module, inputs, output)` after every forward pass of the modules."""
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _collect(module: nn.Module, name: str, names: dict[nn.Module, str]) -> None:
    """Enter the convolutions of a module; what lies inside an operator is a part of it."""
    if hasattr(module, "effective_kernel") or isinstance(module, PLAIN):
        names.setdefault(module, name)
        return
    for child_name, child in module.named_children():
        _collect(child, f"{name}.{child_name}" if name else child_name, names)
