"""Closed-form fits, against numpy's and scipy's least squares on the literal formulas."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.special import eval_hermitenorm
from sklearn.datasets import load_sample_image
from torch import Tensor

from kbench.architectures import build_architecture
from kbench.cell import Choice
from kbench.datasets import build_dataset
from kbench.datasets.normalisation import Normalisation
from kbench.errors import UnsupportedError
from kbench.evaluations import run_evaluation
from kbench.evaluations.least_squares import fit_mixture
from kbench.evaluations.network import Evaluated
from kbench.expansion import axis_values
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.suite import load_suite
from kbench.tasks.fitting import Fitting

FIG3 = Path(__file__).parents[2] / "suites" / "njet" / "fig3.yaml"
ORDERS = [(i, 3 - i - k) for i in range(4) for k in range(4 - i)]


class OnePicture:
    def __init__(self, picture: Tensor) -> None:
        self.picture = picture[None].float()

    def __len__(self) -> int:
        return 1

    def batches(self, _epoch: int, _start: int = 0) -> Iterator[Batch]:
        yield Batch(torch.zeros_like(self.picture), self.picture)


@pytest.fixture
def fit(tmp_path):
    """Function that fits a picture with an N-Jet layer; returns its metrics and its arrays."""

    def run(picture: Tensor, border: int = 0, **options: object):
        torch.manual_seed(0)
        channels, side, _ = picture.shape
        model = build_architecture(
            "impulse_response",
            operator="njet",
            operator_options=options,
            in_channels=channels,
            kernel_size=side,
        )
        dataset = build_dataset("photograph_patch", tmp_path, size=side)
        network = Evaluated(
            model.eval(),
            OnePicture(picture),
            Normalisation((0.0,) * channels, (1.0,) * channels),
            torch.device("cpu"),
            tmp_path,
            Fitting(dataset, Recipe(epochs=0, batch_size=1, lr=0.1)),
        )
        found = run_evaluation(Choice("least_squares", {"border": border}), network)
        return model, found, np.load(tmp_path / "least_squares.npz")

    return run


def literal_basis(side: int, sigma: float) -> np.ndarray:
    """(10, side, side): section 2.2, order 3, without normalisation, which a fit absorbs."""
    u = np.arange(-(side // 2), side // 2 + 1) / sigma
    rows = [(-1) ** n * eval_hermitenorm(n, u) * np.exp(-(u**2) / 2) for n in range(4)]
    return np.stack([np.outer(rows[i], rows[j]) for i, j in ORDERS])


def photograph(cell) -> np.ndarray:
    """(3, 11, 11) by scikit-learn's own reader."""
    name, row, column = (
        next(iter(axis_values(cell, f"dataset.{option}")))
        for option in ("photograph", "row", "column")
    )
    pixels = load_sample_image(f"{name}.jpg")[row : row + 11, column : column + 11]
    return pixels.transpose(2, 0, 1) / 255.0


@pytest.mark.parametrize("solver", [np.linalg.lstsq, scipy.linalg.lstsq], ids=["numpy", "scipy"])
def test_patches_of_figure_3_are_fitted_as_numpy_and_scipy_do(fit, solver) -> None:
    basis = literal_basis(11, 5.0)[:, 1:-1, 1:-1].reshape(10, -1).T  # (81, 10)
    for cell in load_suite(FIG3).cells():
        picture = photograph(cell)
        values = picture[:, 1:-1, 1:-1].reshape(3, -1).T
        solution = solver(basis, values)[0]
        errors = basis @ solution - values
        clamped = np.clip(basis @ solution, 0, 1) - values
        patch = build_dataset("photograph_patch", **cell.dataset.options).load("test").targets[0]
        _, found, _ = fit(patch, border=1, **cell.operator.options)
        assert found["least_squares_mse"] == pytest.approx(np.mean(errors**2), rel=1e-4)
        expected = -10 * np.log10(np.mean(clamped**2))
        assert found["least_squares_psnr"] == pytest.approx(expected, abs=1e-3)


def test_mixture_is_found_again(fit) -> None:
    alpha = torch.randn(10, 3, generator=torch.Generator().manual_seed(1)).double()
    picture = torch.einsum("fc,fhw->chw", alpha, torch.from_numpy(literal_basis(11, 2.0)))
    _, found, arrays = fit(picture, sigma_init=2.0)
    # The rows of order 0 are divided by their sum over the window of 11.
    total = literal_basis(11, 2.0)[ORDERS.index((0, 0))].sum()
    np.testing.assert_allclose(arrays["coefficients"] / total, alpha.numpy(), rtol=1e-4, atol=1e-5)
    assert found["least_squares_mse"] < 1e-10


def test_coefficients_are_weights_that_draw_the_mixture(fit) -> None:
    picture = torch.rand(3, 11, 11, generator=torch.Generator().manual_seed(2))
    model, _, arrays = fit(picture, border=1, sigma_init=5.0, learn_sigma=False)
    with torch.no_grad():
        model.conv.alpha.copy_(torch.from_numpy(arrays["coefficients"])[:, None])
        drawn = model(torch.zeros(1, 3, 11, 11))[0]
    np.testing.assert_allclose(drawn.numpy(), arrays["mixture"], atol=1e-4)


def test_border_does_not_count(fit) -> None:
    picture = torch.rand(3, 11, 11, generator=torch.Generator().manual_seed(3))
    framed = torch.zeros(3, 11, 11)
    framed[:, 1:-1, 1:-1] = picture[:, 1:-1, 1:-1]
    values = [fit(x, border=1, sigma_init=5.0)[1] for x in (picture, framed)]
    assert values[0] == values[1]
    assert fit(framed, sigma_init=5.0)[1]["least_squares_mse"] > values[0]["least_squares_mse"]


@pytest.mark.parametrize(
    "options", [{"size_rule": "fixed"}, {"gauss_norm": "analytic"}, {"size_rule": "paper"}], ids=str
)
def test_window_and_normalisation_do_not_change_the_nearest_mixture(fit, options) -> None:
    picture = torch.rand(3, 11, 11, generator=torch.Generator().manual_seed(4))
    plain, other = (fit(picture, sigma_init=5.0, **extra)[2]["mixture"] for extra in ({}, options))
    np.testing.assert_allclose(other, plain, atol=1e-4)


def test_functions_that_are_smaller_lie_among_zeros(fit) -> None:
    picture = torch.ones(3, 11, 11)
    _, found, arrays = fit(picture, sigma_init=0.5)  # a window of 5
    outside = np.ones((11, 11), bool)
    outside[3:8, 3:8] = False
    assert (arrays["mixture"][:, outside] == 0).all()
    assert found["least_squares_mse"] > outside.mean()


def test_signal_to_noise_is_that_of_clamped_values(fit) -> None:
    picture = torch.full((3, 11, 11), 1.0)
    picture[:, 5, 5] = 0.0
    _, found, arrays = fit(picture, sigma_init=5.0)
    assert arrays["mixture"].max() > 1.01
    expected = np.mean((np.clip(arrays["mixture"], 0, 1) - picture.numpy()) ** 2)
    assert found["least_squares_psnr"] == pytest.approx(-10 * np.log10(expected))


def test_of_equal_fits_the_smallest_is_taken() -> None:
    function = torch.ones(1, 3, 3, dtype=torch.float64)
    coefficients, mixture = fit_mixture(function * 2, function.repeat(2, 1, 1))
    np.testing.assert_allclose(coefficients, [[1.0], [1.0]])
    np.testing.assert_allclose(mixture, 2 * function)


@pytest.mark.parametrize("border", [-1, 6])
def test_border_that_leaves_nothing_is_refused(fit, border) -> None:
    with pytest.raises(UnsupportedError, match=rf"border \(={border}\) must be 0 to 5"):
        fit(torch.zeros(3, 11, 11), border=border)
