"""Convolution by FFT against torch's direct convolution."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.operators.fft_convolution import fast_length, fft_convolve, fft_convolve_factored

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d}
EXACT = {"rtol": 0.0, "atol": 1e-10}  # float64, FlexConv specification 4.7
cases = st.fixed_dictionaries(
    {
        "dims": st.sampled_from([1, 2]),
        "groups": st.sampled_from([1, 2]),
        "in_group": st.integers(1, 3),
        "out_group": st.integers(1, 3),
        "kernel": st.tuples(st.integers(1, 6), st.integers(1, 6)),
        "extra": st.tuples(st.integers(0, 7), st.integers(0, 7)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilation": st.tuples(st.integers(1, 3), st.integers(1, 3)),
    }
)


def _inputs(case):
    dims, groups = case["dims"], case["groups"]
    kernel, dilation = case["kernel"][:dims], case["dilation"][:dims]
    sides = [
        (k - 1) * d + 1 + e for k, d, e in zip(kernel, dilation, case["extra"][:dims], strict=True)
    ]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, groups * case["in_group"], *sides, dtype=torch.double, generator=generator)
    shape = (groups * case["out_group"], case["in_group"], *kernel)
    weight = torch.randn(shape, dtype=torch.double, generator=generator)
    return x.requires_grad_(), weight.requires_grad_(), case["stride"][:dims], dilation


@given(cases)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_fft_equals_direct_for_any_shape(case):
    x, weight, stride, dilation = _inputs(case)
    expected = CONVOLUTIONS[case["dims"]](x, weight, None, stride, 0, dilation, case["groups"])
    actual = fft_convolve(x, weight, stride, dilation, case["groups"])
    torch.testing.assert_close(actual, expected, **EXACT)


@given(cases)
@settings(deadline=None, max_examples=20, derandomize=True)
def test_gradients_equal_those_of_the_direct_convolution(case):
    x, weight, stride, dilation = _inputs(case)
    expected = CONVOLUTIONS[case["dims"]](x, weight, None, stride, 0, dilation, case["groups"])
    actual = fft_convolve(x, weight, stride, dilation, case["groups"])
    direct = torch.autograd.grad(expected.square().sum(), (x, weight))
    spectral = torch.autograd.grad(actual.square().sum(), (x, weight))
    torch.testing.assert_close(spectral, direct, rtol=1e-10, atol=1e-9)


@given(cases, st.integers(1, 5))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_factored_kernel_equals_its_product(case, rank):
    x, weight, stride, dilation = _inputs(case)
    mix = torch.randn(*weight.shape[:2], rank, dtype=torch.double)
    basis = torch.randn(rank, *weight.shape[2:], dtype=torch.double)
    product = torch.tensordot(mix, basis, dims=1)
    expected = CONVOLUTIONS[case["dims"]](x, product, None, stride, 0, dilation, case["groups"])
    actual = fft_convolve_factored(x, mix, basis, stride, dilation, case["groups"])
    torch.testing.assert_close(actual, expected, **EXACT)


@pytest.mark.parametrize("length", [160, 161], ids=["even", "odd"])
@pytest.mark.parametrize("taps", [64, 65], ids=["even_kernel", "odd_kernel"])
def test_causal_convolution_is_right_for_odd_lengths_in_float32(length, taps):
    generator = torch.Generator().manual_seed(0)
    x = F.pad(torch.randn(2, 3, length, generator=generator), (taps - 1, 0))
    weight = torch.randn(4, 3, taps, generator=generator)
    actual = fft_convolve(x, weight, (1,), (1,))
    assert actual.shape == (2, 4, length)
    # Unit-normal data in float32: specification 4.7 allows 5e-4.
    torch.testing.assert_close(actual, F.conv1d(x, weight), rtol=0, atol=5e-4)


def test_half_precision_input_is_transformed_in_float32():
    x, weight = torch.randn(1, 2, 20), torch.randn(3, 2, 5)
    actual = fft_convolve(x.bfloat16(), weight.bfloat16(), (1,), (1,))
    expected = F.conv1d(x.bfloat16().float(), weight.bfloat16().float())
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_kernel_larger_than_the_input_is_refused_as_by_torch():
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        fft_convolve(torch.zeros(1, 1, 4), torch.zeros(1, 1, 3), (1,), (2,))


def test_gradcheck():
    x = torch.randn(1, 2, 5, 6, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 1, 2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *a: fft_convolve(*a, (2, 1), (1, 2), 2), (x, weight))


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 2), (7, 8), (11, 12), (31_999, 32_000), (161, 162), (322, 324)]
)
def test_fast_length_is_the_next_even_number_of_small_factors(length, expected):
    assert fast_length(length) == expected


def test_not_a_number_propagates():
    x = torch.zeros(1, 1, 8)
    x[..., 3] = torch.nan
    assert fft_convolve(x, torch.ones(1, 1, 3), (1,), (1,)).isnan().any()


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_empty_batch_gives_an_empty_batch(groups):
    kernel = torch.zeros(8, 4 // groups, 3, 3)
    assert fft_convolve(torch.zeros(0, 4, 9, 8), kernel, (2, 1), (1, 2), groups).shape == (
        0,
        8,
        4,
        4,
    )
