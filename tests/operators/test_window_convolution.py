"""Convolution with a window of a kernel against the kernel filled with zeros."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.operators.geometry import Geometry
from kbench.operators.window_convolution import convolve_window, convolve_window_spectral

AXIS = st.fixed_dictionaries(
    {
        "size": st.integers(1, 6),
        "first": st.integers(0, 3),
        "rest": st.integers(0, 3),
        "stride": st.integers(1, 3),
        "dilation": st.integers(1, 2),
        "padding": st.integers(0, 4),
        "extra": st.integers(0, 6),
    }
)


@given(st.tuples(AXIS, AXIS), st.sampled_from(["zeros", "circular", "replicate"]))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_window_equals_the_kernel_with_zeros(axes, mode):
    columns = {name: tuple(axis[name] for axis in axes) for name in axes[0]}
    windows = tuple((a["first"], a["first"] + a["size"]) for a in axes)
    sizes = tuple(a["first"] + a["size"] + a["rest"] for a in axes)
    spans = ((k - 1) * d + 1 for k, d in zip(sizes, columns["dilation"], strict=True))
    # Circular padding cannot be longer than the input.
    sides = [max(span, 4) + extra for span, extra in zip(spans, columns["extra"], strict=True)]
    arguments = (columns["stride"], columns["padding"], columns["dilation"])
    geometry = Geometry.of(2, 4, sizes, *arguments, 2, dims=2, padding_mode=mode)
    plain = torch.nn.Conv2d(2, 4, sizes, *arguments, 2, padding_mode=mode).double()
    kernel = torch.randn(4, 1, *columns["size"], dtype=torch.double)
    margins = [m for a in reversed(axes) for m in (a["first"], a["rest"])]
    plain.weight.data = F.pad(kernel, margins)
    x = torch.randn(2, 2, *sides, dtype=torch.double)
    expected = plain(x)
    direct = convolve_window(geometry, windows, x, kernel, plain.bias)
    spectral = convolve_window_spectral(geometry, windows, x, (kernel,), plain.bias)
    torch.testing.assert_close(direct, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(spectral, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("convolve", [convolve_window, convolve_window_spectral])
def test_input_smaller_than_the_whole_kernel_is_refused(convolve):
    geometry, kernel = Geometry.of(1, 1, 5, dims=1), torch.zeros(1, 1, 1)
    kernel = kernel if convolve is convolve_window else (kernel,)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        convolve(geometry, ((2, 3),), torch.zeros(1, 1, 4), kernel, None)


def test_spectral_result_has_the_type_of_the_input():
    geometry = Geometry.of(1, 1, 3, dims=1)
    x, kernel = torch.zeros(1, 1, 8, dtype=torch.bfloat16), torch.zeros(1, 1, 3)
    y = convolve_window_spectral(geometry, ((0, 3),), x, (kernel,), None)
    assert y.dtype == torch.bfloat16
