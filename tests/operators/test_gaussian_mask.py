import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.operators.gaussian_mask import GaussianMask, effective_sigma, stored_sigma


def mask_of(kernel_size, sigma, coord="pixel", normalise="none", eps=0.0, dtype=torch.float64):
    mask = GaussianMask.of("gmconv", kernel_size, coord, normalise, eps)
    sigma = torch.full((1,) * len(kernel_size), sigma, dtype=dtype)
    return mask(mask.exponents_for(sigma), sigma)


def literal_mask(kernel_size, sigma, coord, normalise, eps):
    centres = [(side - 1) / 2 for side in kernel_size]
    corner = sum(centre**2 for centre in centres)
    scale = corner if coord == "unit" and corner > 0 else 1.0
    values = torch.zeros(kernel_size, dtype=torch.float64)
    for tap in torch.cartesian_prod(*(torch.arange(s) for s in kernel_size)).reshape(-1, 2):
        i, j = tap.tolist()
        r2 = ((i - centres[0]) ** 2 + (j - centres[1]) ** 2) / scale
        values[i, j] = math.exp(-r2 / (2 * sigma**2 + eps))
    if normalise == "density":
        return values / (math.pi * (2 * sigma**2 + eps))
    if normalise == "sum":
        return values / values.sum()
    return values / values.max() if normalise == "peak" else values


SIGMAS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
# Specification, section 2.1: corner values by side.
CORNERS = {
    3: (1.1254e-7, 0.018316, 0.367879, 0.778801, 0.960789, 0.990050),
    5: (0.0, 1.1254e-7, 0.018316, 0.367879, 0.852144, 0.960789),
    7: (2.895e-63, 2.320e-16, 1.2341e-4, 0.105399, 0.697676, 0.913931),
    11: (1.915e-174, 3.720e-44, 1.389e-11, 0.001930, 0.367879, 0.778801),
}
EDGES = (0.000335, 0.135335, 0.606531, 0.882497, 0.980199, 0.995012)
MEAN_SQUARES = {
    3: (0.1111, 0.1194, 0.3348, 0.7268, 0.9484, 0.9868),
    5: (0.0400, 0.0430, 0.1257, 0.4338, 0.8559, 0.9611),
    7: (0.0204, 0.0219, 0.0641, 0.2506, 0.7399, 0.9242),
    11: (0.0083, 0.0089, 0.0260, 0.1038, 0.5043, 0.8250),
}
GAINS = {
    3: (2.893989, 1.728351, 1.172974, 1.026842, 1.006678),
    5: (4.823315, 2.821049, 1.518206, 1.080879, 1.020059),
    11: (10.611292, 6.205443, 3.103267, 1.408169, 1.100944),
}


def table(values_of_side, sigmas=SIGMAS):
    return [
        pytest.param(side, sigma, value, id=f"k{side}-sigma{sigma:g}")
        for side, values in values_of_side.items()
        for sigma, value in zip(sigmas, values, strict=True)
    ]


@pytest.mark.parametrize(("side", "sigma", "value"), table(CORNERS))
def test_corner_of_the_mask_is_the_tabulated_value(side, sigma, value):
    corner = mask_of((side, side), sigma)[0, 0].item()
    # six decimals or four to five digits are printed; k5 at sigma 0.25 is printed as about 0
    printed = 6e-7 if value > 1e-3 else 0.0
    assert corner == pytest.approx(value, rel=3e-4, abs=printed if value else 1e-27)


@pytest.mark.parametrize(("side", "sigma", "value"), table({3: EDGES}))
def test_edge_of_the_mask_is_the_tabulated_value(side, sigma, value):
    assert mask_of((side, side), sigma)[0, 1].item() == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("side", "sigma", "value"), table(MEAN_SQUARES))
def test_mean_square_of_the_mask_is_the_tabulated_value(side, sigma, value):
    mean_square = mask_of((side, side), sigma).square().mean().item()
    assert mean_square == pytest.approx(value, abs=6e-5)  # four decimals are printed


@pytest.mark.parametrize(("side", "sigma", "value"), table(GAINS, SIGMAS[1:]))
def test_gain_is_the_tabulated_value(side, sigma, value):
    mask = GaussianMask.of("gmconv", (side, side), "pixel", "none", 0.0)
    assert mask.gain("gmconv", sigma, "var") == pytest.approx(value, abs=6e-7)


def test_gain_none_is_one():
    mask = GaussianMask.of("gmconv", (3, 3), "pixel", "sum", 0.0)
    assert mask.gain("gmconv", 1.0, "none") == 1.0


@pytest.mark.parametrize("normalise", ["density", "sum", "peak"])
def test_gain_includes_the_normaliser(normalise):
    mask = GaussianMask.of("gmconv", (4, 3), "pixel", normalise, 1e-6)
    values = literal_mask((4, 3), 1.3, "pixel", normalise, 1e-6)
    expected = values.square().mean().item() ** -0.5
    assert mask.gain("gmconv", 1.3, "var") == pytest.approx(expected, rel=1e-12)


def test_gain_of_a_vanished_mask_is_refused():
    mask = GaussianMask.of("gmconv", (2, 2), "pixel", "none", 0.0)
    with pytest.raises(ValueError, match=r"gmconv: init_gain \(='var'\).*sigma_init \(=0\.01\)"):
        mask.gain("gmconv", 0.01, "var")


@pytest.mark.parametrize(
    ("kernel_size", "sigma", "expected"),
    [
        pytest.param((3,), 1.0, [0.606531, 1, 0.606531], id="k3"),
        pytest.param(
            (5,), 1.2, [0.249352209, 0.706648278, 1, 0.706648278, 0.249352209], id="k5-sigma1.2"
        ),
        pytest.param((1, 3), 1.0, [[0.606531, 1, 0.606531]], id="k1x3"),
    ],
)
def test_mask_of_a_line_is_the_published_one(kernel_size, sigma, expected):
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(mask_of(kernel_size, sigma), expected, rtol=0, atol=5e-7)


def test_even_kernel_has_four_equal_taps_below_one():
    expected = torch.full((2, 2), 0.778801, dtype=torch.float64)
    torch.testing.assert_close(mask_of((2, 2), 1.0), expected, rtol=0, atol=5e-7)


def test_peak_restores_one_on_even_kernels():
    assert mask_of((4, 2), 0.7, normalise="peak").max() == 1


@pytest.mark.parametrize("normalise", ["sum", "peak"])
def test_quotients_survive_a_sigma_that_underflows_the_mask_of_an_even_kernel(normalise):
    expected = torch.tensor([[0, 1, 1, 0]]) / (2 if normalise == "sum" else 1)
    actual = mask_of((1, 4), 0.02, normalise=normalise, dtype=torch.float32)
    assert torch.equal(actual, expected.to(actual))


@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    sigma=st.floats(0.3, 8),
    coord=st.sampled_from(["pixel", "unit"]),
    normalise=st.sampled_from(["none", "density", "sum", "peak"]),
    eps=st.sampled_from([0.0, 1e-6, 0.1]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_mask_is_the_literal_formula(height, width, sigma, coord, normalise, eps):
    actual = mask_of((height, width), sigma, coord, normalise, eps)
    expected = literal_mask((height, width), sigma, coord, normalise, eps)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-300)  # float64 rounding


@pytest.mark.parametrize("side", [2, 3, 7, 11])
def test_square_mask_is_unchanged_by_quarter_turns_and_flips(side):
    mask = mask_of((side, side), 1.3, dtype=torch.float32)
    for turned in (mask.rot90(), mask.flip(0), mask.flip(1), mask.t()):
        assert torch.equal(mask, turned)


@pytest.mark.parametrize("side", [3, 11])
def test_unit_coordinates_give_one_corner_at_every_size(side):
    corner = mask_of((side, side), 0.8, coord="unit")[0, 0].item()
    assert corner == pytest.approx(math.exp(-1 / (2 * 0.8**2)), rel=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_sigma_gives_a_float32_mask(dtype):
    mask = mask_of((11, 11), 1.0, dtype=dtype)
    assert mask.dtype == torch.float32
    assert mask[0, 0].item() == pytest.approx(1.389e-11, rel=1e-3)  # 0.0 in float16


@pytest.mark.parametrize(
    ("sigma", "derivative", "log_derivative"),
    [
        pytest.param(0.5, 0.293050, 0.146525, id="sigma0.5"),
        pytest.param(1.0, 0.735759, 0.735759, id="sigma1"),
        pytest.param(2.0, 0.194700, 0.389400, id="sigma2"),
        pytest.param(5.0, 0.015373, 0.076863, id="sigma5"),
    ],
)
def test_corner_derivative_is_the_tabulated_value(sigma, derivative, log_derivative):
    mask = GaussianMask.of("gmconv", (3, 3), "pixel", "none", 0.0)
    for param, expected in (("raw", derivative), ("log", log_derivative)):
        start = torch.tensor([[stored_sigma(sigma, param)]], dtype=torch.float64)
        stored = start.requires_grad_()
        corner = mask(mask.exponents_for(stored), effective_sigma(stored, param))[0, 0]
        (gradient,) = torch.autograd.grad(corner, stored)
        assert gradient.item() == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize("normalise", ["none", "density", "sum", "peak"])
@pytest.mark.parametrize("coord", ["pixel", "unit"])
def test_gradient_flows_through_mask_and_normaliser(coord, normalise):
    mask = GaussianMask.of("gmconv", (4, 3), coord, normalise, 1e-6)
    sigma = torch.tensor([[[0.7]], [[1.9]]], dtype=torch.float64, requires_grad=True)
    exponents = mask.exponents_for(sigma)
    assert torch.autograd.gradcheck(lambda s: mask(exponents, s), sigma)


def corner_sum_and_gradient(sigma, eps):
    mask = GaussianMask.of("gmconv", (3, 3), "pixel", "none", eps)
    stored = torch.full((1, 1), sigma, requires_grad=True)
    total = mask(mask.exponents_for(stored), stored).sum()
    (gradient,) = torch.autograd.grad(total, stored)
    return total.item(), gradient.item()


@pytest.mark.parametrize("sigma", [0.0, 1e-25])
def test_literal_mask_is_not_a_number_at_vanishing_sigma(sigma):
    total, _ = corner_sum_and_gradient(sigma, eps=0.0)
    assert math.isnan(total)


@pytest.mark.parametrize("sigma", [1e-20, 1e-13])
def test_literal_mask_has_no_gradient_at_tiny_sigma(sigma):
    total, gradient = corner_sum_and_gradient(sigma, eps=0.0)
    assert (total, math.isnan(gradient)) == (1.0, True)


@pytest.mark.parametrize("sigma", [1e-3, 0.05])
def test_literal_mask_has_zero_gradient_at_small_sigma(sigma):
    assert corner_sum_and_gradient(sigma, eps=0.0) == (1.0, 0.0)


@pytest.mark.parametrize("sigma", [0.0, 1e-25, 1e-20, 1e-13, 1e-3, 0.05, 0.2, 1e6])
def test_default_eps_keeps_value_and_gradient_finite(sigma):
    assert all(map(math.isfinite, corner_sum_and_gradient(sigma, eps=1e-6)))


@pytest.mark.parametrize(
    ("side", "bound"), [pytest.param(7, 5.6e-7, id="odd"), pytest.param(6, 7.4e-7, id="even")]
)
@pytest.mark.parametrize("sigma", [0.5, 0.7, 1.0, 3.0])
def test_default_eps_moves_the_mask_by_less_than_the_stated_bound(side, bound, sigma):
    error = mask_of((side, side), sigma, eps=1e-6) - mask_of((side, side), sigma, eps=0.0)
    assert error.abs().max() <= bound


@pytest.mark.parametrize(
    ("dtype", "distances"),
    [
        pytest.param(torch.float16, (2, 3, 6, 12), id="float16"),
        pytest.param(torch.bfloat16, (4, 7, 14, 28), id="bfloat16"),
        pytest.param(torch.float32, (4, 8, 15, 29), id="float32"),
    ],
)
def test_mask_vanishes_at_the_stated_distance(dtype, distances):
    for sigma, distance in zip((0.25, 0.5, 1.0, 2.0), distances, strict=True):
        half = mask_of((61,), sigma).to(dtype)[30:]
        assert int((half == 0).nonzero()[0]) == distance


@pytest.mark.parametrize(
    ("sigma", "stored"),
    [pytest.param(1.0, 0.541324855, id="1"), pytest.param(5.0, 4.993239251, id="5")],
)
def test_softplus_is_stored_as_its_inverse(sigma, stored):
    assert stored_sigma(sigma, "softplus") == pytest.approx(stored, abs=5e-10)


@pytest.mark.parametrize("param", ["raw", "log", "softplus"])
@pytest.mark.parametrize("sigma", [1e-3, 0.5, 5.0, 1e6])
def test_stored_value_gives_back_sigma(param, sigma):
    stored = torch.tensor(stored_sigma(sigma, param), dtype=torch.float64)
    # torch's softplus is linear above 20, which is off by exp(-20) at most
    assert effective_sigma(stored, param).item() == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize(
    ("kernel_size", "radii"),
    [
        pytest.param((1, 1), 1, id="1x1"),
        pytest.param((3, 3), 3, id="3x3"),
        pytest.param((5, 5), 6, id="5x5"),
        pytest.param((4, 4), 3, id="4x4"),
        pytest.param((5,), 3, id="line"),
    ],
)
def test_one_ring_per_distinct_radius(kernel_size, radii):
    mask = GaussianMask.of("gmconv", kernel_size, "pixel", "none", 0.0)
    assert len(mask.rings()) == radii


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param(("tap", "none", 0.0), r"coord \(='tap'\).*pixel", id="coord"),
        pytest.param(("pixel", "l2", 0.0), r"normalise \(='l2'\).*density", id="normalise"),
        pytest.param(("pixel", "none", -1e-9), r"eps \(=-1e-09\).*>= 0", id="eps-negative"),
        pytest.param(("pixel", "none", math.nan), r"eps \(=nan\)", id="eps-nan"),
        pytest.param(("pixel", "none", True), r"eps \(=True\)", id="eps-bool"),
    ],
)
def test_wrong_option_is_refused(options, text):
    with pytest.raises(ValueError, match="gmconv: " + text):
        GaussianMask.of("gmconv", (3, 3), *options)
