"""LC's suites against sections 6 and 8 of its specification, and its published numbers."""

from dataclasses import replace
from pathlib import Path

import pytest

from kbench.expansion import axis_values
from kbench.recipe import Augmentation, Recipe
from kbench.report.coverage import find_coverage, find_places
from kbench.report.published import read_published
from kbench.report.suites import suite_tables
from kbench.report.uncovered import read_uncovered
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = {path.stem: load_suite(path) for path in sorted((FOLDER / "lc").glob("*.yaml"))}
PUBLISHED = FOLDER / "published" / "lc.yaml"

# Section 8, the products written out: operators x datasets or networks x seeds.
COUNTS = {
    "table1": (3 * 4 * 4, 6, 3),
    "table2": (2 * 5 - 1, 6, 3),
    "table3": (4 * 2 * 4, 8, 8),
    "fig1a": (8 * 2 * 4, 4 * 2, 2 * 2),
    "fig1b": (7 * 2, 2 * 2, 2),
    "fig4": ((1 + 9 * 2) * 4, 7, 1 + 2 * 2),
    "fig6a": (6 * 2 * 4, 4 * 2, 2 * 2),
    "fig6b": (8 * 2 * 4, 3 * 2, 2 * 2),
    "fig7": (1 + 8 * 2, 1 + 3, 1 + 2),
    "fig8": (4 * (2 + 8 * 2) * 4, 2 * (2 + 2 * 2), 2 * (2 + 2)),
    "quick": ((1 + 4 * 2) * 4, 7, 1 + 2 * 2),
    "cost": (4 * (1 + 9 * 2), 4 * (1 + 3 * 2), 2 * (1 + 2 * 2)),
    "sharing": (4 * 2 * 4, 2 * 2, 2),
}
EPOCHS = {"table1": 10, "table2": 4, "table3": 8, "fig1a": 6, "fig1b": 3, "fig4": 12, "fig6a": 8}
EPOCHS |= {"fig6b": 8, "fig7": 8, "fig8": 6, "quick": 12, "cost": 0, "sharing": 8}
CROP = Augmentation(crop_padding=4, flip=True)
LOW_RESOLUTION = Recipe(
    epochs=75,
    batch_size=256,
    lr=0.01,
    nesterov=True,
    weight_decay=0.01,
    schedule="cosine",
    label_smoothing=0.1,
)
IMAGENET = {"table2", "fig1b"}


def ids(name: str, scale: str = "full") -> set[str]:
    return {cell.id for cell in SUITES[name].cells(scale)}


def test_there_is_a_suite_for_every_row_of_section_8() -> None:
    assert set(SUITES) == set(COUNTS)
    assert {suite.file.suite for suite in SUITES.values()} == {f"lc-{name}" for name in COUNTS}


@pytest.mark.parametrize("name", COUNTS)
def test_the_grids_have_the_cells_of_section_8(name) -> None:
    found = [len(SUITES[name].cells(scale)) for scale in ("full", "small", "smoke")]
    assert found == list(COUNTS[name])


@pytest.mark.parametrize(
    ("name", "axis", "values"),
    [
        ("table2", "operator.expansion", {1, 8, 64, 128}),
        ("table3", "operator.intermediate", {"none", "relu", "bn", "bn_relu"}),
        ("fig4", "operator.expansion", {1, 2, 4, 8, 16, 32, 64, 128, 256}),
        ("fig6a", "architecture.width", {8, 16, 32, 64, 128, 256}),
        ("fig7", "operator.expansion", {1, 2, 4, 8, 16, 32, 64, 128}),
        ("fig8", "architecture.kernel_size", {3, 5, 7, 9}),
        ("sharing", "operator.sharing", {"none", "master"}),
    ],
    ids=["table2", "table3", "fig4", "fig6a", "fig7", "fig8", "sharing"],
)
def test_the_axes_have_the_values_of_section_8(name, axis, values) -> None:
    cells = SUITES[name].cells()
    assert {value for cell in cells for value in axis_values(cell, axis)} == values


@pytest.mark.parametrize("name", sorted(set(COUNTS) - IMAGENET - {"cost"}))
def test_low_resolution_suites_have_the_recipe_of_section_6(name) -> None:
    for cell in SUITES[name].cells():
        is_cifar = cell.dataset.name.startswith("cifar")
        augmentation = CROP if is_cifar else Augmentation()
        assert cell.recipe == replace(LOW_RESOLUTION, augmentation=augmentation)
        assert cell.dataset.options == (
            {"size": 32} if cell.dataset.name == "fashion_mnist" else {}
        )
        assert (cell.limit.train, cell.limit.test) == (None, None)


@pytest.mark.parametrize("name", sorted(IMAGENET))
def test_imagenet_suites_have_the_recipe_a2(name) -> None:
    (recipe,) = {cell.recipe for cell in SUITES[name].cells()}
    a2 = {
        "optimizer": "lamb",
        "lr": 5e-3,
        "batch_size": 2048,
        "weight_decay": 0.02,
        "norm_weight_decay": False,
        "epochs": 300,
        "warmup_epochs": 5,
        "schedule": "cosine",
        "loss": "bce",
        "label_smoothing": 0.0,
    }
    assert {key: getattr(recipe, key) for key in a2} == a2
    augmentation = recipe.augmentation
    assert augmentation.size == 224
    assert augmentation.interpolation == "bicubic"
    assert augmentation.randaugment == "rand-m7-mstd0.5-inc1"
    assert (augmentation.mixup, augmentation.cutmix, augmentation.repeats) == (0.1, 1.0, 3)
    assert (augmentation.crop_ratio, augmentation.random_erasing) == (0.95, 0.0)


@pytest.mark.parametrize("name", COUNTS)
def test_small_scales_have_one_seed_and_the_epochs_of_section_8(name) -> None:
    cells = SUITES[name].cells("small")
    assert {(cell.seed, cell.recipe.epochs) for cell in cells} == {(0, EPOCHS[name])}


@pytest.mark.parametrize("name", COUNTS)
def test_smoke_scales_need_no_download(name) -> None:
    cells = SUITES[name].cells("smoke")
    assert {cell.dataset.name for cell in cells} <= {"digits", "noise"}
    assert max(cell.recipe.epochs for cell in cells) <= 1


@pytest.mark.parametrize(
    ("part", "whole"), [("quick", "fig4"), ("fig7", "fig8")], ids=["quick", "fig7"]
)
def test_what_two_suites_have_in_common_is_one_cell(part, whole) -> None:
    assert ids(part) < ids(whole)


def test_table_1_and_the_figures_share_their_cells_of_cifar10() -> None:
    shared = {cell.id for cell in SUITES["table1"].cells() if cell.dataset.name == "cifar10"}
    assert shared < ids("fig4")
    assert len(ids("table3") & ids("fig4")) == 2 * 4
    assert len(ids("fig6a") & ids("fig6b") & ids("fig4")) == 2 * 4
    assert len(ids("sharing") & ids("fig4")) == 4 * 4


def test_every_published_number_has_a_cell_or_a_reason(tmp_path) -> None:
    tables = [table for s in SUITES.values() for table in suite_tables(s, "full", tmp_path)]
    published = read_published(PUBLISHED)
    found = find_coverage(published, find_places(tables), read_uncovered(PUBLISHED, published))
    assert not [item.cell for item in found if not item.is_covered and not item.reason]
    covered = {item.table.id for item in found if item.is_covered}
    assert covered >= {"table1", "table2", "table3", "fig1b"}
    known = [item for item in found if item.table.id in ("table1", "table2", "table3")]
    assert all(item.is_covered for item in known)


# Section 8, "metrics everywhere"; those of the cost suite are times.
EVERYWHERE = {"num_params", "num_learnable_params", "macs", "images_per_s", "peak_memory_mib"}


@pytest.mark.parametrize("name", sorted(set(COUNTS) - {"cost"}))
def test_every_suite_has_the_metrics_of_section_8(name) -> None:
    shown = {metric for table in SUITES[name].file.tables for metric in table.metric}
    has_lc = any(cell.operator.name == "lc" for cell in SUITES[name].cells())
    accuracies = {"top1_best", "top1"} if name in IMAGENET else {"top1"}
    assert shown >= EVERYWHERE | accuracies | ({"two_stage_macs"} if has_lc else set())
    # What is shown is also measured.
    evaluations = {choice.name for cell in SUITES[name].cells() for choice in cell.evaluate}
    measured_by = {"two_stage_macs": "two_stage", "fgsm_top1": "fgsm", "fve": "filters"}
    assert {by for m in shown if (by := measured_by.get(m.partition(".")[0]))} <= evaluations


def test_table_2_compares_the_epoch_with_the_best_top_1(tmp_path) -> None:
    table = next(t for t in suite_tables(SUITES["table2"], "full", tmp_path) if t.id == "table2")
    assert [column.quantity.name for column in table.columns] == ["top1_best", "top5_at_best"] * 2
    # Table 2 of the paper, row by row.
    published = [entry.published for entry in table.all_entries]
    top = [37.85, 61.37, 72.60, 90.69, 61.28, 83.11, 71.82, 90.44, 71.30, 90.03, 71.88, 90.40]
    assert published == [*top, 72.46, 90.57, 71.94, 90.41, 72.31, 90.64, None, None]


def test_networks_of_figure_1b_have_no_dropout() -> None:
    # A2 has drop-path only (section 6.2).
    networks = {c.architecture.name: c.architecture.options for c in SUITES["fig1b"].cells()}
    mobile = [networks.pop(f"mobilenet_v3_{size}") for size in ("small", "large")]
    assert mobile == [{"dropout": 0.0}] * 2
    assert {options["drop_path"] for options in networks.values()} == {0.05}


@pytest.mark.parametrize("scale", ["small", "smoke"])
@pytest.mark.parametrize("name", COUNTS)
def test_every_table_has_rows_at_every_scale(name, scale, tmp_path) -> None:
    for table in suite_tables(SUITES[name], scale, tmp_path):
        assert table.rows, table.id
        assert table.columns, table.id
