"""N-Jet's suites against sections 6 and 8 of its specification, and its published numbers."""

from pathlib import Path

import pytest

from kbench.datasets import build_dataset
from kbench.datasets.normalisation import find_normalisation
from kbench.expansion import axis_values
from kbench.report.coverage import find_coverage, find_places
from kbench.report.published import read_published
from kbench.report.suites import suite_tables
from kbench.report.uncovered import read_uncovered
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = {path.stem: load_suite(path) for path in sorted((FOLDER / "njet").glob("*.yaml"))}
PUBLISHED = FOLDER / "published" / "njet.yaml"

# Section 8, the products written out: networks x operators x data x seeds; full, small, smoke.
# ResNet-110 stands twice in table 4, as All-CNN does; cost is ours, table6_heads the column of
# table 6 that is only counted, and fig3 the fit of section 9 with an evaluation of its own.
COUNTS = {
    "table1": (3 * 2 * 3, 3 * 2, 3 * 2),
    "table2": (3 * 3, 3, 3),
    "table3": (2 * 3 * 3, 2, 2),
    "table4": (6 * 3 * 2 * 3, 3 + 5 * 3 * 2, 11),
    "table5": (7 * 2 * 2 * 5, 7 * 2, 4),
    "table6": (5, 5, 1),
    "table6_heads": (5, 5, 5),
    "fig3": (6, 6, 6),
    "fig6": (3 * 5, 3 * 2, 3),
    "fig7": (4 * 2 * 3, 4 * 2, 2 * 2),
    "fig11": (3 * 4 * 5, 3 * 2, 3),
    "fig12": ((7 + 2) * 5, 7 + 2, 2 + 2),
    "fixed": (3 * 3 * 3 * 3, 3, 2 * 3),
    "demo": (2, 2, 2),
    "gaps": (2 * 2 * 2 * 2 * 2 * 3, 1 + 5, 4),
    "fit": (5 + 4 * 3, 5 + 4 * 3, 2),
    "cost": (4 + 4 + 3 * 4, 4 + 4 + 3 * 4, 2 + 2 + 4),
}


def ids(name: str) -> set[str]:
    return {cell.id for cell in SUITES[name].cells()}


def test_there_is_a_suite_for_every_row_of_section_8() -> None:
    assert set(SUITES) == set(COUNTS)
    names = {suite.file.suite for suite in SUITES.values()}
    assert names == {f"njet-{name.replace('_', '-')}" for name in COUNTS}


@pytest.mark.parametrize("name", COUNTS)
def test_the_grids_have_the_cells_of_section_8(name) -> None:
    found = [len(SUITES[name].cells(scale)) for scale in ("full", "small", "smoke")]
    assert found == list(COUNTS[name])


@pytest.mark.parametrize(
    ("name", "axis", "values"),
    [
        ("table1", "operator.sigma_init", {0.5, 1.0, 2.0}),
        ("table2", "operator.safe_subsample", {2.0, 4.0, 6.0}),
        ("table5", "dataset.size", {28, 112}),
        ("fig3", "operator.order", {3}),
        ("fig3", "operator.sigma_init", {5.0}),
        ("fig3", "dataset.size", {11}),
        ("fig6", "operator.sigma_init", {1.0, 1.5, 2.0}),
        ("fig11", "dataset.scale", {1, 2, 4, "mixed"}),
        ("gaps", "recipe.held_out", {0, 5000}),
        ("fit", "operator.order", {1, 3, 5, 9}),
    ],
    ids=["table1", "table2", "table5", "order3", "sigma3", "side3", "fig6", "fig11", "gaps", "fit"],
)
def test_the_axes_have_the_values_of_section_8(name, axis, values) -> None:
    cells = SUITES[name].cells()
    assert {value for cell in cells for value in axis_values(cell, axis)} == values


# Section 6: learning rate, batch, L2 weight of alpha where N-Jet has one of its own.
@pytest.mark.parametrize(
    ("name", "network", "is_njet", "expected"),
    [
        ("table3", "nin", False, (0.5, 128, None)),
        ("table3", "nin", True, (0.5, 128, 0.01)),
        ("table4", "allcnn_c", True, (0.25, 128, 0.001)),
        ("table4", "resnet32_cifar", False, (0.1, 128, None)),
        ("table4", "resnet32_cifar", True, (0.1, 128, None)),
        ("table4", "resnet110_bottleneck_cifar", True, (0.001, 16, None)),
        ("table4", "efficientnet_b0_cifar", False, (0.01, 32, None)),
        ("table4", "efficientnet_b0_cifar", True, (0.001, 16, None)),
        ("fig11", "unet", True, (0.0001, 1, None)),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else str(value),
)
def test_cells_have_the_printed_protocol(name, network, is_njet, expected) -> None:
    cells = [
        cell
        for cell in SUITES[name].cells()
        if cell.architecture.name == network and (cell.operator.name == "njet") == is_njet
    ]
    found = {
        (
            cell.recipe.lr,
            cell.recipe.batch_size,
            cell.operator.options.get("alpha_weight_decay"),
        )
        for cell in cells
    }
    assert found == {expected}


@pytest.mark.parametrize("scale", ["full", "small", "smoke"])
@pytest.mark.parametrize("name", COUNTS)
def test_cifar_and_nothing_else_has_the_statistics_of_the_release(name: str, scale: str) -> None:
    released = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    for cell in SUITES[name].cells(scale):
        dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
        found = find_normalisation(cell.recipe.normalisation, dataset)
        is_cifar = cell.dataset.name in {"cifar10", "cifar100"}
        assert found == (released if is_cifar else (dataset.mean, dataset.std)), cell.id


def test_cifar_is_in_the_suites_that_train_classifiers_of_it() -> None:
    found = {
        name
        for name in SUITES
        if any(cell.dataset.name.startswith("cifar") for cell in SUITES[name].cells())
    }
    assert found == {"table1", "table2", "table3", "table4", "fig7", "demo", "gaps", "fixed"}


def test_resnets_decay_every_weight_as_the_paper_does_alpha() -> None:
    decays = {
        cell.recipe.weight_decay
        for cell in SUITES["table4"].cells()
        if cell.architecture.name.startswith("resnet")
    }
    assert decays == {1e-4}


def test_resnet_32_is_trained_for_64000_iterations_with_two_steps() -> None:
    (recipe,) = {
        cell.recipe
        for cell in SUITES["table4"].cells()
        if cell.architecture.name == "resnet32_cifar"
    }
    steps = recipe.steps_per_epoch
    assert steps is not None
    assert [steps * epoch for epoch in (*recipe.milestones, recipe.epochs)] == [
        32_000,
        48_000,
        64_000,
    ]


@pytest.mark.parametrize("name", COUNTS)
def test_smoke_scales_need_no_download(name) -> None:
    cells = SUITES[name].cells("smoke")
    assert {cell.dataset.name for cell in cells} <= {
        "digits",
        "digits_scenes",
        "kernel_target",
        "noise",
        "photograph_patch",
    }
    assert not any(cell.dataset.options.get("target") == "alexnet" for cell in cells)


def test_suites_share_what_they_have_in_common() -> None:
    # Safe-subsampling of 4 with a learned sigma on CIFAR-10, three seeds.
    assert len(ids("table2") & ids("table3") & ids("gaps")) == 3
    # NIN itself.
    assert len(ids("table3") & ids("fig7")) == 3
    # One U-Net with convolutions and two with N-Jet, at scale 4, five seeds.
    assert len(ids("fig11") & ids("fig12")) == 3 * 5


@pytest.mark.slow
def test_every_published_number_has_a_cell_or_a_reason(tmp_path) -> None:
    tables = [table for s in SUITES.values() for table in suite_tables(s, "full", tmp_path)]
    published = read_published(PUBLISHED)
    rules = read_uncovered(PUBLISHED, published)
    found = find_coverage(published, find_places(tables), rules)
    gaps = [
        (item.table.id, item.cell.row, item.cell.column)
        for item in found
        if not item.is_covered and not item.reason
    ]
    assert gaps == []
