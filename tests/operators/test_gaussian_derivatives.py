"""Facts 1 to 5 and 10 of section 11 of the N-Jet specification: rows, basis and window."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from scipy import ndimage
from torch import Tensor

from kbench.operators.gaussian_derivatives import (
    Window,
    basis_energy,
    derivative_orders,
    gaussian_basis,
    gaussian_rows,
)

# The specification prints eight, in energies six decimals.
PRINTED = {"rtol": 0.0, "atol": 5.1e-9}
PRINTED_ENERGY = {"rtol": 0.0, "atol": 5.1e-7}
HALF_ROWS = (
    (0.00443305, 0.05400558, 0.24203623, 0.39905028),
    (0.01329914, 0.10801117, 0.24203623, 0.0),
    (0.03546439, 0.16201675, 0.0, -0.39905028),
    (0.07979487, 0.10801117, -0.48407246, 0.0),
    (0.13299145, -0.27002791, -0.48407246, 1.19715084),
)
SIZES = (
    (0.25, 3, 3),
    (0.5, 5, 3),
    (0.75, 5, 5),
    (1.0, 7, 5),
    (1.25, 7, 7),
    (1.5, 9, 7),
    (1.75, 9, 9),
    (2.0, 11, 9),
    (2.5, 13, 11),
    (4.0, 19, 17),
)


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rows_at(sigma: float, order: int, radius: int, norm: str = "sum") -> Tensor:
    return gaussian_rows(double(sigma), order, radius, norm)


def basis_at_one(order: int) -> Tensor:
    rows = rows_at(1.0, order, 3)
    return gaussian_basis([rows, rows])


@pytest.mark.parametrize("n", range(5))
def test_rows_at_sigma_one_are_the_printed_ones(n: int) -> None:
    row = rows_at(1.0, 4, 3)[n]
    torch.testing.assert_close(row[:4], double(*HALF_ROWS[n]), **PRINTED)
    torch.testing.assert_close(row.flip(0), row * (-1) ** n, rtol=0.0, atol=1e-15)


def test_sums_and_norms_at_sigma_one_are_the_printed_ones() -> None:
    rows = rows_at(1.0, 4, 3)
    sums = double(1, 0, -0.00408801, 0, -0.04506701)
    norms = double(0.53129719, 0.37529939, 0.46287733, 0.71043617, 1.44326921)
    torch.testing.assert_close(rows.sum(1), sums, **PRINTED)
    torch.testing.assert_close(rows.norm(dim=1), norms, **PRINTED)
    slope = (torch.arange(-3, 4) * rows[1]).sum()
    torch.testing.assert_close(slope, double(-0.99591199)[0], **PRINTED)


def test_analytic_gaussian_keeps_its_tails_outside_the_window() -> None:
    total = rows_at(1.0, 0, 3, "analytic").sum()
    torch.testing.assert_close(total, double(0.99972936)[0], **PRINTED)


def test_paper_rule_gives_five_taps_at_sigma_one() -> None:
    (radius, _) = Window("paper", 2.0, None, (3, 3)).radii(1.0)
    expected = double(0.05448868, 0.24420134, 0.40261995, 0.24420134, 0.05448868)
    torch.testing.assert_close(rows_at(1.0, 0, radius)[0], expected, **PRINTED)


@pytest.mark.parametrize(("sigma", "code", "paper"), SIZES, ids=[str(row[0]) for row in SIZES])
def test_window_sides_are_the_printed_ones(sigma: float, code: int, paper: int) -> None:
    for rule, side in (("code", code), ("paper", paper)):
        assert Window(rule, 2.0, 64, (3,)).radii(sigma) == ((side - 1) // 2,)


@pytest.mark.parametrize("rule", ["code", "paper"])
@given(sigma=st.floats(0.0625, 32))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_device_and_host_agree_on_the_radius(rule: str, sigma: float) -> None:
    window = Window(rule, 2.0, 20, (3,))
    assert window.radius_on_device(double(sigma)).item() == window.radii(sigma)[0]


@pytest.mark.parametrize(
    ("sigma", "radius", "is_capped"),
    [(1.0, 3, False), (50.0, 8, True), (math.inf, 8, True), (math.nan, 1, False)],
    ids=str,
)
def test_cap_bounds_any_sigma(sigma: float, radius: int, is_capped: bool) -> None:
    window = Window("code", 2.0, 8, (3,))
    assert window.radii(sigma) == (radius,)
    assert window.is_capped(sigma) == is_capped


def test_fixed_window_follows_the_sides_alone() -> None:
    window = Window("fixed", 2.0, 64, (3, 7))
    assert window.radii(9.0) == (1, 3)
    assert not window.is_capped(1e9)


@pytest.mark.parametrize(
    ("sides", "message"),
    [((4, 3), r"kernel_size \(=\(4, 3\)\)"), ((1, 3), ">= 3"), ((9, 9), r"max_radius \(=3\)")],
    ids=["even", "one", "cap"],
)
def test_fixed_window_refuses_sides(sides: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Window("fixed", 2.0, 3, sides)


def test_functions_lie_in_the_released_order() -> None:
    orders = ((0, 3), (0, 2), (0, 1), (0, 0), (1, 2), (1, 1), (1, 0), (2, 1), (2, 0), (3, 0))
    assert derivative_orders(3, 2) == orders
    assert derivative_orders(2, 1) == ((0,), (1,), (2,))
    assert [len(derivative_orders(n, 2)) for n in range(7)] == [1, 3, 6, 10, 15, 21, 28]


@given(order=st.integers(0, 6), sigma=st.floats(0.5, 3), sides=st.tuples(*[st.integers(1, 4)] * 2))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_basis_is_the_outer_product_of_its_rows(
    order: int, sigma: float, sides: tuple[int, int]
) -> None:
    down, across = (rows_at(sigma, order, radius) for radius in sides)
    expected = [torch.outer(down[i], across[j]) for i, j in derivative_orders(order, 2)]
    torch.testing.assert_close(gaussian_basis([down, across]), torch.stack(expected))


def test_basis_norms_and_transposition_are_the_printed_ones() -> None:
    basis = basis_at_one(3)
    printed = (0.37745275, 0.24592543, 0.19939551, 0.28227671, 0.17371758)
    norms = double(*printed, 0.14084963, 0.19939551, 0.17371758, 0.24592543, 0.37745275)
    torch.testing.assert_close(basis.flatten(1).norm(dim=1), norms, **PRINTED)
    picked = torch.stack([basis[1, 3, 1], basis[8, 1, 3], basis[6, 2, 3], basis[2, 3, 2]])
    expected = double(0.06465283, 0.06465283, 0.09658463, 0.09658463)
    torch.testing.assert_close(picked, expected, **PRINTED)


@pytest.mark.parametrize(
    ("sigma", "energies"),
    [
        (0.5, (0.527625, 1.591129, 1.857060, 10.424375)),
        (1.0, (0.159197, 0.299995, 0.645291, 2.009355)),
        (1.5, (0.071364, 0.133728, 0.293667, 0.845638)),
    ],
    ids=["0.5", "1", "1.5"],
)
def test_energies_are_the_printed_ones(sigma: float, energies: tuple[float, ...]) -> None:
    radii = Window("code", 2.0, 64, (3, 3)).radii(sigma)
    measured = double(*(basis_energy(sigma, order, radii) for order in range(1, 5)))
    torch.testing.assert_close(measured, double(*energies), **PRINTED_ENERGY)


@pytest.mark.parametrize("orders", derivative_orders(4, 2), ids=str)
def test_basis_is_scipys_derivative_of_gaussian(orders: tuple[int, int]) -> None:
    impulse = torch.zeros(7, 7, dtype=torch.float64)
    impulse[3, 3] = 1
    expected = ndimage.gaussian_filter(
        impulse.numpy(), 1.0, order=orders, mode="constant", truncate=3.0
    )
    found = basis_at_one(4)[derivative_orders(4, 2).index(orders)]
    # The specification's bounds: scipy truncates even orders in another way.
    bound = 5e-6 if sum(orders) <= 2 else 1e-3
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0.0, atol=bound)


@given(order=st.integers(0, 10), sigma=st.floats(0.0625, 6))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_rows_are_the_published_hermite_form(order: int, sigma: float) -> None:
    (radius,) = Window("code", 2.0, 64, (3,)).radii(sigma)
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    u = x / sigma / math.sqrt(2)
    gaussian = torch.exp(-u * u)
    hermite = torch.special.hermite_polynomial_h(u, torch.tensor(order)) * gaussian
    expected = sigma**order * (-1 / (sigma * math.sqrt(2))) ** order * hermite / gaussian.sum()
    torch.testing.assert_close(rows_at(sigma, order, radius)[order], expected)


@pytest.mark.parametrize("norm", ["sum", "analytic"])
def test_masked_window_equals_the_compact_one(norm: str) -> None:
    compact = rows_at(1.3, 5, 4, norm)
    masked = gaussian_rows(double(1.3), 5, 9, norm, window=double(4))
    torch.testing.assert_close(masked[:, 5:14], compact, rtol=0.0, atol=1e-15)
    assert masked[:, :5].abs().max() == 0
    assert masked[:, 14:].abs().max() == 0


def test_masked_rows_stay_finite_far_outside_a_narrow_window() -> None:
    sigma = torch.tensor([0.0625], requires_grad=True)
    rows = gaussian_rows(sigma, 10, 2000, window=torch.tensor([1.0]))
    rows.square().sum().backward()
    assert rows.isfinite().all()
    assert sigma.grad.isfinite().all()


@pytest.mark.parametrize("norm", ["sum", "analytic"])
def test_rows_have_the_derivative_of_finite_differences(norm: str) -> None:
    sigma = double(0.8).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: gaussian_rows(s, 4, 3, norm), (sigma,))
