"""Facts of the forms that the layer's tests do not reach."""

import pytest
import torch
import torch.nn.functional as F

from kbench.operators.gaussian_derivatives import derivative_orders, gaussian_basis, gaussian_rows
from kbench.operators.geometry import Geometry
from kbench.operators.njet_forms import basis_then_mix, mixed_filter, row_mix_col


def rows_and_alpha(order: int, channels: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    rows = gaussian_rows(torch.tensor([1.1], dtype=torch.float64), order, 3)
    return rows, torch.randn(len(derivative_orders(order, 2)), *channels, dtype=torch.float64)


def test_filter_is_the_mixture_of_the_basis() -> None:
    rows, alpha = rows_and_alpha(3, (2, 5))
    expected = torch.einsum("fco,fhw->ochw", alpha, gaussian_basis([rows, rows]))
    torch.testing.assert_close(mixed_filter(alpha, [rows, rows]), expected)


def test_filter_of_half_coefficients_is_built_in_the_rows_precision() -> None:
    rows, alpha = rows_and_alpha(2, (2, 2))
    expected = mixed_filter(alpha.half().double(), [rows, rows]).half()
    assert torch.equal(mixed_filter(alpha.half(), [rows, rows]), expected)


@pytest.mark.parametrize("form", [basis_then_mix, row_mix_col])
@pytest.mark.parametrize("order", range(5))
def test_forms_take_strides_and_dilations_that_differ_by_axis(form, order: int) -> None:
    rows, alpha = rows_and_alpha(order, (2, 6))
    geometry = Geometry.of(4, 6, 7, (1, 2), (4, 5), (2, 1), 2, dims=2)
    x = torch.randn(2, 4, 10, 11, dtype=torch.float64)
    kernel = mixed_filter(alpha, [rows, rows])
    expected = F.conv2d(x, kernel, None, (1, 2), (4, 5), (2, 1), 2)
    torch.testing.assert_close(form(x, alpha, [rows, rows], geometry), expected)


@pytest.mark.parametrize("form", [basis_then_mix, row_mix_col])
@pytest.mark.parametrize("channels", [2, 3, 5, 6])
def test_forms_refuse_other_channels(form, channels: int) -> None:
    rows, alpha = rows_and_alpha(2, (2, 6))
    geometry = Geometry.of(4, 6, 7, 1, 3, groups=2, dims=2)
    with pytest.raises(RuntimeError, match=r"channels|shape"):
        form(torch.zeros(2, channels, 9, 9).double(), alpha, [rows, rows], geometry)


@pytest.mark.parametrize("form", [basis_then_mix, row_mix_col])
def test_forms_take_an_empty_batch(form) -> None:
    rows, alpha = rows_and_alpha(2, (2, 6))
    geometry = Geometry.of(4, 6, 7, 2, 3, groups=2, dims=2)
    y = form(torch.zeros(0, 4, 9, 8).double(), alpha, [rows, rows], geometry)
    assert y.shape == (0, 6, 5, 4)
