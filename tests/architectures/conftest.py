"""Steps of whole networks that several modules of tests take."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

LARGEST_SIDE = 70
# With two, gradients through a hundred normalisations over single pixels overflow.
IMAGES = 8


@pytest.fixture
def smallest_input() -> Callable[[nn.Module, int], torch.Size]:
    """Return a function that finds the shape of the smallest samples that a network takes.

    The network has to be on the meta device, where shapes cost nothing.
    """

    def find(network: nn.Module, channels: int) -> torch.Size:
        for axes in (2, 1):
            for side in range(1, LARGEST_SIDE):
                try:
                    x = torch.empty(IMAGES, channels, *[side] * axes, device="meta")
                    network(x)
                except (RuntimeError, ValueError) as error:
                    last = error
                else:
                    return x.shape
        message = f"no side below {LARGEST_SIDE} is taken"
        raise AssertionError(message) from last

    return find


@pytest.fixture
def expect_step() -> Callable[[nn.Module, torch.Size], None]:
    """Return a function that runs a network forwards and backwards.

    Every learnable parameter has to take part; numbers have to be finite, where there are any.
    """

    def run(network: nn.Module, shape: torch.Size) -> None:
        device = next(network.parameters()).device
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
        y = network(x)
        assert len(y) == IMAGES
        y.square().mean().backward()
        learnable = {n: p for n, p in network.named_parameters() if p.requires_grad}
        assert [name for name, p in learnable.items() if p.grad is None] == []
        if not y.is_meta:
            assert y.isfinite().all()
            assert [name for name, p in learnable.items() if not p.grad.isfinite().all()] == []

    return run
