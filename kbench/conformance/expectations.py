"""Comparisons that say what was found and what was expected."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kbench.conformance.outcome import MismatchError


def expect(condition: object, message: str) -> None:
    """Fail with the message unless the condition holds.

    Raises:
        MismatchError: If it does not.
    """
    if not condition:
        raise MismatchError(message)


def expect_shape(found: torch.Size | tuple[int, ...], expected: tuple[int, ...], what: str) -> None:
    """Fail unless two shapes are equal."""
    shapes = (tuple(found), tuple(expected))
    expect(shapes[0] == shapes[1], f"{what} has shape {shapes[0]}, expected {shapes[1]}")


def expect_finite(tensor: Tensor, what: str) -> None:
    """Fail if any number is NaN or infinite."""
    expect(tensor.isfinite().all(), f"{what} is not finite, expected finite numbers")


def expect_close(found: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Fail unless the largest difference is at most `tolerance` times the largest number."""
    expect_shape(found.shape, expected.shape, what)
    expect_finite(found, what)
    if expected.numel() == 0:
        return
    difference = (found.double() - expected.double()).abs().max().item()
    scale = expected.double().abs().max().item()
    is_close = difference <= tolerance * scale
    expect(is_close, f"{what} differs by {difference:.2g} of {scale:.2g}, expected {tolerance:g} x")


def learnable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that training changes, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def disturb(module: nn.Module, seed: int = 0) -> nn.Module:
    """Move every learnable parameter a little, in place, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in learnable(module).values():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.05 * noise.to(parameter.dtype))
    return module


def weighted_sum(y: Tensor) -> Tensor:
    """Return a sum in which no two outputs have the same weight, for gradients."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    return (y.to(torch.promote_types(y.dtype, torch.float32)) * weights.to(y)).sum()


@contextmanager
def fixed_seed() -> Iterator[None]:
    """Draw the same numbers each time, as for dropout, and leave torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def evaluate(module: nn.Module, x: Tensor) -> Tensor:
    """Return the output in evaluation mode, without a graph."""
    module.eval()
    with torch.no_grad():
        return module(x)
