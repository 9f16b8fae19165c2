"""Error and signal-to-noise ratio in closed form."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kbench.datasets import build_dataset
from kbench.errors import SuiteError
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks import build_task
from kbench.tasks.fitting import Fitting, psnr

RECIPE = Recipe(epochs=1, batch_size=1, lr=0.1)
PICTURE = torch.tensor([[[[0.0, 0.5], [1.0, 0.25]]]])


class Drawing(nn.Module):
    """Network that gives one picture."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.picture = picture

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture, whatever the canvas."""
        return self.picture.expand_as(x)


def make_task(name: str = "synthetic_picture") -> Fitting:
    return Fitting(build_dataset(name, Path()), RECIPE)


def evaluate(task: Fitting, error: Tensor) -> dict[str, float]:
    batch = Batch(torch.zeros_like(PICTURE), PICTURE)
    return task.evaluate(Drawing(PICTURE + error), [batch])


class TestPsnr:
    @pytest.mark.parametrize(
        ("mse", "peak", "expected"),
        [(1.0, 1.0, 0.0), (0.01, 1.0, 20.0), (1e-4, 1.0, 40.0), (65.025, 255.0, 30.0)],
    )
    def test_ten_times_the_logarithm_of_the_ratio(
        self, mse: float, peak: float, expected: float
    ) -> None:
        assert psnr(mse, peak) == pytest.approx(expected)

    def test_is_infinite_without_an_error(self) -> None:
        assert psnr(0.0) == math.inf

    @pytest.mark.parametrize(
        ("omega", "mse"),
        [(1, 0.00021399), (4, 0.01368095), (16, 0.02010560), (64, 0.02010573)],
    )
    def test_blank_drawing_of_a_gabor_filter_is_that_of_figure_4(
        self, omega: float, mse: float
    ) -> None:
        # N-Jet of order 1 cannot draw these targets: its published errors are their mean squares.
        dataset = build_dataset("kernel_target", Path(), omega=float(omega))
        split = dataset.load("test")
        batch = Batch(split.images, split.targets)
        found = Fitting(dataset, RECIPE).evaluate(nn.Identity(), [batch])
        # Eight decimals are printed, of numbers computed in float32.
        assert found["mse"] == pytest.approx(mse, abs=1e-8)
        assert found["psnr"] == pytest.approx(-10 * math.log10(found["mse"]))


class TestFitting:
    def test_metrics_of_a_constant_error(self) -> None:
        found = evaluate(make_task("kernel_target"), torch.tensor(0.1))
        # Error 0.1 everywhere: its square is 0.01, which is 20 dB; float32 pictures.
        assert found == {"mse": pytest.approx(0.01, rel=1e-6), "psnr": pytest.approx(20, abs=1e-5)}

    def test_ratio_is_that_of_outputs_in_the_range_of_a_picture(self) -> None:
        # Errors -1 at 0, 0.5 at 0.5, 1 at 1 and 0.1 at 0.25; the first and third are clamped away.
        error = torch.tensor([[[[-1.0, 0.5], [1.0, 0.1]]]])
        found = evaluate(make_task(), error)
        assert found["mse"] == pytest.approx((1 + 0.25 + 1 + 0.01) / 4, rel=1e-6)
        assert found["psnr"] == pytest.approx(-10 * math.log10((0.25 + 0.01) / 4), rel=1e-6)

    def test_filters_have_no_range(self) -> None:
        error = torch.tensor([[[[-1.0, 0.0], [0.0, 0.0]]]])
        found = evaluate(make_task("kernel_target"), error)
        assert found["psnr"] == pytest.approx(-10 * math.log10(0.25))

    def test_loss_is_the_mean_square_and_nothing_is_right_or_wrong(self) -> None:
        task = make_task()
        outputs = (PICTURE + 0.5).requires_grad_()
        assert task.loss(outputs, PICTURE).item() == pytest.approx(0.25)
        assert int(task.count_correct(outputs, PICTURE)) == 0

    def test_network_is_put_into_evaluation_mode(self) -> None:
        network = nn.Dropout(0.5)
        make_task().evaluate(network, [Batch(PICTURE, PICTURE)])
        assert not network.training

    def test_dataset_without_a_picture_is_refused(self) -> None:
        with pytest.raises(SuiteError, match="dataset 'digits' is for task 'classification'"):
            build_task("fitting", build_dataset("digits"), RECIPE)
        with pytest.raises(SuiteError, match="dataset 'digits' has no picture to fit"):
            Fitting(build_dataset("digits"), RECIPE)


def test_coordinate_network_draws_the_synthetic_picture() -> None:
    from kbench.architectures import build_architecture

    torch.manual_seed(0)
    dataset = build_dataset("synthetic_picture", size=12)
    task = build_task("fitting", dataset, RECIPE)
    split = dataset.load("train")
    batch = Batch(split.images, split.targets)
    network = build_architecture("coordinate_network", in_channels=3, input_scale=10.0)
    before = task.evaluate(network, [batch])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        loss = task.loss(network(batch.inputs), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = task.evaluate(network, [batch])
    # A grey picture has the mean square error 1/16, 12 dB.
    assert after["psnr"] > max(before["psnr"], 15)
