"""GMConv's suites against sections 5, 6 and 8 of its specification, and its published numbers."""

from pathlib import Path

import pytest
import torch

from kbench.expansion import axis_values
from kbench.network import build_network
from kbench.recipe import Augmentation, Recipe
from kbench.report.coverage import find_coverage, find_places
from kbench.report.published import read_published
from kbench.report.suites import suite_tables
from kbench.report.uncovered import read_uncovered
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = {path.stem: load_suite(path) for path in sorted((FOLDER / "gmconv").glob("*.yaml"))}
PUBLISHED = FOLDER / "published" / "gmconv.yaml"

# Section 8, the products written out: networks x operators x seeds (x before and after training).
# Smoke has AlexNet with three operators; the field of ImageNet's networks is analysed by a suite of
# its own, as its images have another side; so is the layer with another batch.
COUNTS = {
    "imagenet": (2 * 6 * 3, 2 * 3, 3 + 6),
    "cifar10": (2 * 6 * 5, 4 * 2, 6),
    "cifar100": (4 * 6 * 5, 2, 2),
    "controls": ((1 + 3 * 2) * 10, 4 * 2, 7),
    "sigma_init": (4 * 2 * 3 * 3, 4, 2),
    "sigma_opt": (2 * 3 * 2 * 3, 2, 6),
    "rf": (2 * (2 + 4) * 6 * 5, 2 * 4 * 2, 4),
    "rf_imagenet": (2 * 2 * 6 * 3, 4, 2),
    "speed": (4 * 6 - 1 + 6, 4 * 6 - 1 + 6, 6),
    "speed_batch32": (6, 6, 6),
    "detection": (0, 0, 0),
}
CROP = Augmentation(crop_padding=4, flip=True)
CIFAR10 = Recipe(
    epochs=200,
    batch_size=128,
    lr=0.1,
    weight_decay=1e-4,
    schedule="step",
    milestones=(100, 150),
    normalisation="imagenet",
    augmentation=CROP,
)
CIFAR100 = Recipe(
    epochs=200,
    batch_size=128,
    lr=0.1,
    weight_decay=5e-4,
    schedule="step",
    milestones=(60, 120, 160),
    gamma=0.2,
    warmup_epochs=1,
    augmentation=Augmentation(crop_padding=4, flip=True, rotation=15),
)
IMAGENET = Recipe(
    epochs=90,
    batch_size=256,
    lr=0.1,
    weight_decay=1e-4,
    schedule="step",
    milestones=(30, 60),
    loader="torch",
    augmentation=Augmentation(size=224, random_resized_crop=True, flip=True),
)
# Section 5.2: parameters of the plain network, and what one sigma for each converted layer adds.
SIZES = {
    "alexnet": (61_100_840, 5),
    "resnet50": (25_557_032, 17),
    "resnet20_cifar": (269_722, 19),
    "resnet56_cifar": (853_018, 55),
    "resnet18_cifar": (11_220_132, 17),
    "vgg16_bn_cifar": (34_015_396, 13),
    "densenet121_cifar": (7_048_548, 59),
    "mobilenet_v2_cifar": (2_369_380, 17),
}


def ids(name: str, scale: str = "full") -> set[str]:
    return {cell.id for cell in SUITES[name].cells(scale)}


def test_there_is_a_suite_for_every_row_of_section_8() -> None:
    assert set(SUITES) == set(COUNTS)
    names = {f"gmconv-{name.replace('_', '-')}" for name in COUNTS}
    assert {suite.file.suite for suite in SUITES.values()} == names


@pytest.mark.parametrize("name", COUNTS)
def test_the_grids_have_the_cells_of_section_8(name) -> None:
    found = tuple(len(SUITES[name].cells(scale)) for scale in ("full", "small", "smoke"))
    assert found == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "axis", "values"),
    [
        ("sigma_init", "operator.sigma_init", {1.0, 2.0, 5.0, 10.0}),
        ("sigma_init", "operator.share", {"layer", "out"}),
        ("sigma_init", "architecture.where", {"first", "stage:1", "all"}),
        ("sigma_opt", "operator.sigma_weight_decay", {0.0, "same"}),
        ("sigma_opt", "operator.param", {"raw", "log", "softplus"}),
        ("sigma_opt", "operator.sigma_lr_scale", {1.0, 10.0}),
        ("controls", "operator.sigma_init", {1.0, 5.0}),
        ("rf", "recipe.epochs", {0, 200}),
        ("rf_imagenet", "recipe.epochs", {0, 90}),
    ],
    ids=["start", "share", "where", "decay", "param", "rate", "controls", "rf", "rf_imagenet"],
)
def test_the_axes_have_the_values_of_section_8(name, axis, values) -> None:
    cells = SUITES[name].cells()
    assert {value for cell in cells for value in axis_values(cell, axis)} == values


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "controls", "sigma_init", "sigma_opt"])
def test_cifar_has_the_recipes_of_section_6(name) -> None:
    expected = {"cifar10": CIFAR10, "cifar100": CIFAR100}
    for cell in SUITES[name].cells():
        assert cell.recipe == expected[cell.dataset.name]
        assert (cell.limit.train, cell.limit.test) == (None, None)


def test_imagenet_has_the_recipe_of_section_6() -> None:
    for cell in SUITES["imagenet"].cells():
        lr = 0.01 if cell.architecture.name == "alexnet" else 0.1
        assert cell.recipe.changed == IMAGENET.changed | {"lr": lr}


def test_sizes_are_those_of_section_5_2() -> None:
    found: dict[str, dict[str, int]] = {}
    for name in ("imagenet", "cifar10", "cifar100"):
        for cell in SUITES[name].cells():
            if cell.seed == 0 and cell.operator.label in ("conv", "gmconv_s"):
                with torch.device("meta"):
                    parameters = list(build_network(cell).parameters())
                sizes = found.setdefault(cell.architecture.name, {})
                sizes[cell.operator.label] = sum(p.numel() for p in parameters)
    expected = {net: {"conv": n, "gmconv_s": n + added} for net, (n, added) in SIZES.items()}
    assert found == expected


@pytest.mark.parametrize("scale", ["full", "small"])
def test_analyses_add_to_cells_that_are_trained_anyway(scale) -> None:
    trained = {cell.id for cell in SUITES["rf"].cells(scale) if cell.recipe.epochs}
    assert trained == ids("cifar10", scale) | (ids("cifar100") if scale == "full" else set())


def test_analyses_of_imagenet_add_to_cells_that_are_trained_anyway() -> None:
    trained = {cell.id for cell in SUITES["rf_imagenet"].cells() if cell.recipe.epochs}
    assert trained == ids("imagenet")


def test_equal_cells_of_the_ablations_are_trained_once() -> None:
    """Three operators of initial sigma 5 and conv, five seeds; one placement, three seeds."""
    assert len(ids("controls") & ids("cifar10")) == 4 * 5
    assert len(ids("sigma_init") & ids("cifar10")) == 3
    assert len(ids("sigma_opt") & ids("cifar10")) == 3


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("imagenet", "imagenet"),
        ("cifar10", "classification"),
        ("cifar100", "classification"),
        ("controls", "controls"),
    ],
)
def test_differences_to_conv_stand_beside_with_their_intervals(name, table) -> None:
    """Sections 6 and 9.3: mean, deviation and the paired difference with its interval."""
    (spec,) = (spec for spec in SUITES[name].file.tables if spec.id == table)
    assert (spec.compare.baseline, spec.compare.intervals) == ("conv", True)


def test_detection_says_why_it_has_no_cells() -> None:
    assert "not transcribed" in str(SUITES["detection"].file.reason)


def test_every_published_number_has_a_cell_or_a_reason(tmp_path) -> None:
    published = read_published(PUBLISHED)
    tables = [t for suite in SUITES.values() for t in suite_tables(suite, "full", tmp_path)]
    coverage = find_coverage(published, find_places(tables), read_uncovered(PUBLISHED, published))
    assert [item.cell for item in coverage if not item.is_covered and not item.reason] == []
    assert [item.cell for item in coverage if item.is_covered and item.reason] == []
    # Two gains; two networks with top-1 and top-5; two of two sources; four with top-1 and top-5.
    assert sum(item.is_covered for item in coverage) == 2 + 2 * 2 + 2 * 2 + 4 * 2
