"""Deformable convolution against a literal form and the plain convolution."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from kbench.operators import build_operator


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def read(x, row, column):
    """Return x (H, W) at a place between pixels, zero outside, by bilinear interpolation."""
    value = x.new_zeros(())
    top, left = int(row // 1), int(column // 1)
    for i, j in itertools.product((top, top + 1), (left, left + 1)):
        weight = (1 - abs(row - i)) * (1 - abs(column - j))
        if 0 <= i < x.shape[0] and 0 <= j < x.shape[1]:
            value = value + weight * x[i, j]
    return value


def literal(module, x, stride, dilation):
    """Sum over taps and channels at every place, as section 2.1 of the paper defines it."""
    x = F.pad(x, (1, 1, 1, 1))
    offsets = F.conv2d(x, module.offset_weight, module.offset_bias, stride, 0, dilation)
    y = x.new_zeros(len(x), len(module.weight), *offsets.shape[2:])
    for b, row, column in itertools.product(range(len(x)), *map(range, offsets.shape[2:])):
        for tap, (i, j) in enumerate(itertools.product(range(3), range(3))):
            down, right = offsets[b, 2 * tap : 2 * tap + 2, row, column].tolist()
            place = (row * stride + i * dilation + down, column * stride + j * dilation + right)
            values = torch.stack([read(channel, *place) for channel in x[b]])
            y[b, :, row, column] += module.weight[:, :, i, j] @ values
    return y + module.bias[:, None, None]


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)], ids=str)
def test_taps_read_where_the_offsets_say(stride, dilation) -> None:
    module = build_operator("deformable", 2, 3, 3, stride=stride, padding=1, dilation=dilation)
    module.double()
    with torch.no_grad():
        module.offset_weight.normal_(std=0.3)
        module.offset_bias.normal_()
        x = torch.randn(2, 2, 6, 7, dtype=torch.float64)
        torch.testing.assert_close(module(x), literal(module, x, stride, dilation))


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "circular"])
def test_starts_as_the_plain_convolution_of_the_seed(padding_mode) -> None:
    arguments = {"stride": 2, "padding": 1, "groups": 2, "padding_mode": padding_mode}
    modules = []
    for name in ("deformable", "conv"):
        torch.manual_seed(3)
        modules.append(build_operator(name, 4, 6, 3, **arguments))
    x = torch.randn(2, 4, 9, 8)
    # Another order of summation.
    torch.testing.assert_close(modules[0](x), modules[1](x), rtol=1e-5, atol=1e-5)


def test_offsets_learn() -> None:
    module = build_operator("deformable", 2, 3, 3, padding=1)
    module(torch.randn(2, 2, 6, 6)).square().sum().backward()
    assert module.offset_weight.grad.abs().sum() > 0
    assert module.offset_bias.grad.abs().sum() > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize("name", ["offset_weight", "offset_bias", "input"])
def test_what_is_not_finite_stays_visible_and_reads_no_foreign_memory(name, value) -> None:
    module, x = build_operator("deformable", 1, 1, 3, padding=1), torch.ones(1, 1, 5, 5)
    with torch.no_grad():
        dict(module.named_parameters(), input=x)[name].fill_(value)
    assert not module(x).isfinite().all()


def test_counts_and_cost_are_those_of_two_convolutions() -> None:
    module = build_operator("deformable", 8, 16, 3, padding=1)
    parameters = sum(p.numel() for p in module.parameters())
    assert parameters == 16 * (8 * 9 + 1) + 18 * (8 * 9 + 1)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(2, 8, 10, 12))
    assert counter.get_total_flops() // 2 == 2 * 120 * 8 * 9 * (16 + 18)


def test_single_precision_under_autocast() -> None:
    module, x = build_operator("deformable", 2, 3, 3, padding=1), torch.randn(1, 2, 6, 6)
    with torch.no_grad():
        module.offset_weight.normal_()
        expected = module(x)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(module(x), expected, rtol=0, atol=0)
