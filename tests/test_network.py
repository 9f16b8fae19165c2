"""Networks of cells on the meta device; parameter counts by hand from the shapes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kbench.cell import Choice
from kbench.datasets import build_dataset
from kbench.errors import UnsupportedError
from kbench.loaders.batch import Batch
from kbench.network import build_network, fold_operators, measure_network, operator_version
from kbench.plan import network_of
from kbench.suite import load_suite
from kbench.tasks import build_task
from kbench.train import Training

FOLDER = Path(__file__).parents[1] / "suites"
SUITES = sorted(
    path for path in FOLDER.rglob("*.yaml") if not {"recipes", "published"} & set(path.parts)
)


def resnet8_size(width: int, channels: int, classes: int) -> tuple[int, int]:
    """Return parameters of ResNet-8 without bias, option B, and of its 3x3 kernels alone."""
    w, kernels = width, 9 * channels * width
    kernels += 9 * (2 * w * w + (2 * w * w + 4 * w * w) + (8 * w * w + 16 * w * w))
    norms = 2 * (w + 2 * w + 2 * 2 * w + 2 * 4 * w + 2 * w + 4 * w)
    shortcuts = 2 * w * w + 8 * w * w
    return kernels + norms + shortcuts + 4 * w * classes + classes, kernels


def resnet8_macs(width: int, channels: int, side: int, classes: int) -> int:
    """Return the multiply-accumulates of ResNet-8 for one image."""
    w, area = width, side * side
    first = 9 * (channels * w + 2 * w * w) * area
    second = (9 * (2 * w * w + 4 * w * w) + 2 * w * w) * area // 4
    third = (9 * (8 * w * w + 16 * w * w) + 8 * w * w) * area // 16
    return first + second + third + 4 * w * classes


@pytest.mark.parametrize("width", [8, 16], ids=str)
def test_counts_are_those_of_the_shapes(demo_cell, width) -> None:
    cell = demo_cell(architecture=Choice("resnet8_cifar", {"width": width}))
    total, _ = resnet8_size(width, 1, 10)
    assert measure_network(cell) == {
        "num_params": total,
        "num_learnable_params": total,
        "macs": resnet8_macs(width, 1, 8, 10),
        "train_images": 1437,
    }


def test_channels_and_classes_are_those_of_the_dataset(demo_cell) -> None:
    found = measure_network(demo_cell(dataset=Choice("cifar100")))
    assert found["num_params"] == resnet8_size(16, 3, 100)[0]
    assert found["macs"] == resnet8_macs(16, 3, 32, 100)
    assert found["train_images"] == 50_000


def test_frozen_kernels_count_but_are_not_learned(demo_cell) -> None:
    total, kernels = resnet8_size(16, 1, 10)
    found = measure_network(demo_cell(operator=Choice("conv", {"frozen": True})))
    assert found["num_params"] == total
    assert found["num_learnable_params"] == total - kernels


def test_an_operator_that_folds_costs_what_its_convolution_costs(demo_cell) -> None:
    plain = measure_network(demo_cell())
    folded = measure_network(demo_cell(operator=Choice("lc", {"expansion": 4})))
    assert folded["macs"] == plain["macs"]
    assert folded["num_params"] > plain["num_params"]


@pytest.mark.parametrize("form", ["depthwise", "split", "full"])
def test_work_through_the_spectrum_counts(demo_cell, form) -> None:
    """By the cost model of NIFF's section 4.3, for a layer of 6 channels and 14x14 pixels."""
    noise = Choice("noise", {"size": 14, "channels": 6, "count": 1})
    layer = Choice("layer", {"depthwise": form == "depthwise", "pooled": False})
    found = measure_network(
        demo_cell(dataset=noise, architecture=layer, operator=Choice("niff", {"form": form}))
    )
    points, bins, maps = 14 * 14, 14 * 8, 36 if form == "full" else 6
    hidden, width = (2 * 8, 8) if form == "full" else (2 * 8 + 8 * 4, 4)
    networks = 4 * bins * hidden + 2 * bins * width * maps
    transforms = 2 * 6 * 1.25 * points * math.log2(points)
    mixture = points * 36 if form == "split" else 0
    # Rounded down after each transform.
    expected = networks + 4 * bins * maps + transforms + mixture
    assert found["macs"] == pytest.approx(expected, abs=2)


def test_an_operator_that_fixes_its_map_knows_it_and_trains_with_averages(demo_cell) -> None:
    strided = Choice("stored_spectrum", {"strided": "subsample"})
    cell = demo_cell(operator=strided)
    cell = replace(cell, recipe=replace(cell.recipe, ema_decay=0.5))
    network = build_network(cell)
    assert network.training
    assert network.stem.weight.shape == (1, 1, 16, 8, 5, 2)  # digits: 8x8, half spectrum 8x5
    task = build_task(cell.task, build_dataset("digits", None), cell.recipe)
    training = Training(network, task, steps_per_epoch=1, device=torch.device("cpu"))
    start = network.stem.weight.detach().clone()
    training.take_step(Batch(torch.randn(4, 1, 8, 8), torch.arange(4)))
    mean = (start + network.stem.weight) / 2
    torch.testing.assert_close(training.evaluated.stem.weight, mean, rtol=1e-6, atol=1e-7)


def test_nothing_is_allocated(demo_cell) -> None:
    with torch.device("meta"):
        network = build_network(demo_cell())
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


class Folding(nn.Module):
    """Module that folds, or says that it cannot."""

    def __init__(self, replacement: nn.Module | None) -> None:
        super().__init__()
        self.replacement = (replacement,)
        self.inner = nn.Linear(1, 1)

    def fold(self) -> nn.Module:
        if self.replacement[0] is None:
            message = "has an operation in between"
            raise UnsupportedError(message)
        return self.replacement[0]


def test_what_can_be_folded_is_at_any_depth() -> None:
    plain, stubborn = nn.Conv2d(1, 1, 1), Folding(None)
    network = nn.Sequential(nn.Sequential(Folding(plain)), stubborn, nn.ReLU())
    assert fold_operators(network) is network
    assert network[0][0] is plain
    assert network[1] is stubborn


def test_the_version_of_an_operator_is_that_of_its_class(demo_cell) -> None:
    assert operator_version(demo_cell()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("path", SUITES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_network_of_the_suites_of_this_repository_can_be_built(path) -> None:
    suite = load_suite(path)
    cells = {network_of(cell): cell for scale in suite.scales for cell in suite.cells(scale)}
    for cell in cells.values():
        with torch.device("meta"):
            assert next(build_network(cell).parameters()).device.type == "meta"
