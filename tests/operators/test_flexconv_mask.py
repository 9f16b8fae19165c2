"""The window against a search over all taps, the mask against its formula."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.operators.flexconv_mask import (
    effective_sigma,
    mask_cutoff,
    mask_values,
    mask_window,
    tap_positions,
)


def searched_window(mean, sigma, size, cutoff, is_causal):
    """Return the window as section 2.3 of the FlexConv specification words it."""
    grid = [(2 * tap - (size - 1)) / (size - 1) for tap in range(size)]
    if is_causal:
        root = min(mean - cutoff * sigma, mean + cutoff * sigma)
        if abs(root) >= 1:
            return 0, size
        return next(tap for tap, position in enumerate(grid) if position > root), size
    root = abs(mean) + abs(sigma) * cutoff
    if root >= 1:
        return 0, size
    middle = range((size - 1) // 2 + 1)
    first = next((tap for tap in middle if grid[tap] > -root), middle[-1])
    return first, size - first


@given(
    st.floats(-1.5, 1.5),
    st.floats(-0.6, 0.6),
    st.integers(2, 60),
    st.floats(0.01, 0.9),
    st.booleans(),
)
@settings(deadline=None, max_examples=300, derandomize=True)
def test_window_equals_a_search_over_all_taps(mean, sigma, size, threshold, is_causal):
    cutoff = mask_cutoff(threshold)
    expected = searched_window(mean, sigma, size, cutoff, is_causal)
    assert mask_window(mean, sigma, size, cutoff, is_causal=is_causal) == expected


def test_cutoff_of_the_default_threshold():
    assert mask_cutoff(0.1) == pytest.approx(2.145966, abs=5e-7)


@pytest.mark.parametrize("mean", [-1.0, 1.2], ids=["first_tap", "behind_the_last"])
def test_causal_mask_away_from_the_present_is_not_cropped(mean):
    assert mask_window(mean, 0.075, 33, mask_cutoff(0.1), is_causal=True) == (0, 33)


@pytest.mark.parametrize("is_causal", [False, True])
def test_mask_that_is_not_a_number_keeps_all_taps(is_causal):
    assert mask_window(0.0, math.nan, 33, 2.0, is_causal=is_causal) == (0, 33)


def test_positions_are_symmetric_with_an_exact_centre():
    positions = tap_positions((0, 29), 29, torch.zeros(1))
    assert torch.equal(positions, -positions.flip(0))
    assert positions[14] == 0
    assert positions[-1] == 1


def test_mask_is_a_gaussian_of_peak_one_an_axis():
    params = torch.tensor([[0.1, 0.5], [-0.2, -0.3]], dtype=torch.double)
    positions = [torch.linspace(-1, 1, 5, dtype=torch.double)] * 2
    actual = mask_values(params, positions)
    for values, (mean, sigma) in zip(actual, params.tolist(), strict=True):
        expected = [math.exp(-0.5 * ((p - mean) / sigma) ** 2) for p in (-1, -0.5, 0, 0.5, 1)]
        assert values.tolist() == pytest.approx(expected, abs=1e-12)


def test_floor_raises_small_sigmas_and_lets_their_gradient_through():
    params = torch.tensor([[0.0, -0.01], [0.0, 0.2]], requires_grad=True)
    sigma = effective_sigma(params, 0.1)
    sigma.sum().backward()
    torch.testing.assert_close(sigma.detach(), torch.tensor([0.1, 0.2]))
    assert params.grad[:, 1].tolist() == [-1.0, 1.0]
