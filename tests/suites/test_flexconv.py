"""FlexConv's suites against sections 6 and 8 of its specification, and its published numbers."""

from dataclasses import replace
from pathlib import Path

import pytest

from kbench.recipe import Augmentation, Finetune, Recipe
from kbench.report.coverage import find_coverage, find_places
from kbench.report.published import read_published
from kbench.report.suites import suite_tables
from kbench.report.uncovered import read_uncovered
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = {path.stem: load_suite(path) for path in sorted((FOLDER / "flexconv").glob("*.yaml"))}
PUBLISHED = FOLDER / "published" / "flexconv.yaml"

# Section 8, the products written out: kernels x datasets x seeds, at full, small and smoke scale.
COUNTS = {
    # The mask on the first steps is one kernel more on one of the datasets.
    "table1_sequential": ((11 * 4 + 1) * 3, 4 * 2, 2),
    "table2_timeseries": (10 * 3 * 3, 4 * 2, 2),
    "table3_cifar10": ((10 + 1) * 3, 10 + 1, 5),
    # One row of the released runs, fine-tuned for 250 epochs, more than the table has.
    "table4_crossres": ((10 + 1) * 3, 10, 5),
    "figure5_grid": (2 * 2 * 5 * 5, 2 * 2 * 2, 1),
    # AlexNet's filter is left out of the small scale.
    "figure4_fit": ((4 + 9) * 6, (4 + 9) * 5, 2 * 3),
    "table5_kodak": (6 * 24, 6 * 2, 6),
    "table6_cifar10_full": ((11 + 2 + 4 + 2 + 1 + 2) * 3, 4 + 3, 2),
    "table7_imagenet32": (2 * 3, 2, 2),
    "table8_imagenetk": (3 * 3, 3, 3),
    "table9_mnist": (3, 1, 1),
    "table10_stl10": (4 * 3, 3, 2),
    "timing": (3 * 3 * 2, 3 * 3 * 2, 2 * 2),
    "timing_benchmark": (3 * 3 * 2, 3 * 3 * 2, 2 * 2),
    "smoke": (2 * 8 + 2, 2 * 8 + 2, 2 * 8 + 2),
    "kernel_norm": (3 * 2 * 3, 2, 2),
    "mask_sigma": (6 * 3, 3, 2),
    "sequence_protocol": (4 * 2 * 3, 4, 4),
}
SCALES = ("full", "small", "smoke")
# Suite to the paper's table or figure whose shape its first table has.
SHAPES = {
    "table1_sequential": "table1",
    "table2_timeseries": "table2",
    "table3_cifar10": "table3",
    "table4_crossres": "table4",
    "table5_kodak": "table5",
    "table6_cifar10_full": "table6",
    "table7_imagenet32": "table7",
    "table8_imagenetk": "table8",
    "table9_mnist": "table9",
    "table10_stl10": "table10",
    "figure4_fit": "figure4",
    "figure5_grid": "figure5",
}
CIFAR10 = Recipe(
    epochs=350,
    batch_size=64,
    optimizer="adam",
    lr=0.01,
    schedule="cosine",
    min_lr=1e-6,
    warmup="gradual",
    warmup_epochs=5,
    augmentation=Augmentation(crop_padding=4, flip=True),
    normalisation="imagenet",
    keep="best_test",
    patience_epochs=100,
)
CROSSRES = replace(
    CIFAR10,
    epochs=100,
    augmentation=replace(CIFAR10.augmentation, resize=16),
    finetune=Finetune(epochs=100, size=32),
)
PLAIN = replace(CIFAR10, augmentation=Augmentation(), normalisation="dataset")
# Suite to the recipe, the weight of the kernels' norm and the seeds.
PROTOCOLS = {
    "table7_imagenet32": (replace(CIFAR10, batch_size=2048), 1e-5, {0, 1, 2}),
    "table8_imagenetk": (
        replace(
            CIFAR10,
            epochs=100,
            batch_size=2048,
            augmentation=Augmentation(crop_padding=2, flip=True),
            finetune=Finetune(epochs=100, size=32, crop_padding=4),
        ),
        1e-5,
        {0, 1, 2},
    ),
    "table9_mnist": (PLAIN, 0.0, {1, 2, 3}),
    "table10_stl10": (replace(PLAIN, epochs=100, batch_size=256), 0.0, {1, 2, 3}),
}
# Dataset to epochs, batch, learning rate and weight of the kernels' norm.
SEQUENCE_PROTOCOLS = {
    "smnist": (200, 64, 0.01, 1e-5),
    "pmnist": (200, 64, 0.01, 1e-5),
    "scifar10": (200, 64, 0.001, 1e-5),
    "npcifar10": (300, 32, 0.01, 0.0),
    "character_trajectories": (300, 32, 0.001, 1e-5),
    "speech_commands_mfcc": (300, 32, 0.001, 0.0),
    "speech_commands_raw": (300, 32, 0.001, 0.0),
}
# Network and dataset to omega, dropout, that of the input, weight of the norm, kernel dropout.
CKCNN_OPTIONS = {
    ("ckcnn2", "smnist"): (31.09, 0.1, 0.1, 0.0, 0.0),
    ("ckcnn2_big", "smnist"): (30.5, 0.2, 0.2, 0.0, 0.0),
    ("ckcnn2", "pmnist"): (43.46, 0.0, 0.1, 0.0, 0.0),
    ("ckcnn2_big", "pmnist"): (42.16, 0.0, 0.2, 0.0, 0.0),
    ("ckcnn2", "scifar10"): (25.7, 0.2, 0.0, 0.0, 0.0),
    ("ckcnn2_big", "scifar10"): (25.7, 0.3, 0.0, 1e-4, 0.1),
    ("ckcnn2", "character_trajectories"): (21.45, 0.1, 0.0, 0.0, 0.0),
    ("ckcnn2", "speech_commands_mfcc"): (30.9, 0.2, 0.0, 0.0, 0.0),
    ("ckcnn2", "speech_commands_raw"): (39.45, 0.0, 0.0, 1e-4, 0.0),
}
CKCNN_RECIPE = Recipe(
    epochs=200,
    batch_size=64,
    optimizer="adam",
    lr=0.001,
    schedule="plateau",
    gamma=0.2,
    plateau_epochs=20,
    keep="best_test",
)
CKCNN_RECIPES = {
    "character_trajectories": {"batch_size": 32, "keep": "best_val"},
    "speech_commands_mfcc": {"plateau_epochs": 15, "keep": "best_val"},
    "speech_commands_raw": {"epochs": 300, "batch_size": 32, "keep": "best_val"},
}


def ids(name: str, scale: str = "full") -> set[str]:
    return {cell.id for cell in SUITES[name].cells(scale)}


def is_ckcnn(cell) -> bool:
    return cell.architecture.name.startswith("ckcnn")


def is_siren(cell) -> bool:
    return cell.operator.options.get("generator") == "siren"


def test_there_is_a_suite_for_every_row_of_section_8() -> None:
    assert set(SUITES) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_the_grids_have_the_cells_of_section_8(name) -> None:
    assert tuple(len(SUITES[name].cells(scale)) for scale in SCALES) == COUNTS[name]


@pytest.mark.parametrize("name", ["table3_cifar10", "table6_cifar10_full"])
def test_cifar10_has_the_recipe_of_section_6(name) -> None:
    for cell in SUITES[name].cells():
        assert cell.recipe == (replace(CIFAR10, lr=0.001) if is_siren(cell) else CIFAR10)


def test_cross_resolution_has_the_recipe_of_section_6() -> None:
    long = replace(CROSSRES, finetune=Finetune(epochs=250, size=32))
    for cell in SUITES["table4_crossres"].cells():
        assert cell.recipe == (long if cell.operator.label.endswith("ft250") else CROSSRES)
    grid = {
        (cell.recipe.augmentation.resize, cell.recipe.finetune.size)
        for cell in SUITES["figure5_grid"].cells()
        if cell.recipe.finetune
    }
    assert grid == {(source, target) for source in (16, 20) for target in (28, 30, 32, 34, 36)}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_other_images_have_the_protocols_of_section_6(name) -> None:
    recipe, norm, seeds = PROTOCOLS[name]
    cells = SUITES[name].cells()
    generated = [cell for cell in cells if cell.operator.name == "flexconv"]
    assert {cell.seed for cell in cells} == seeds
    assert [cell.recipe for cell in cells] == [recipe] * len(cells)
    assert {cell.operator.options.get("kernel_norm", 0.0) for cell in generated} == {norm}


@pytest.mark.parametrize("name", ["table1_sequential", "table2_timeseries"])
def test_sequences_have_the_protocols_of_section_6(name) -> None:
    for cell in SUITES[name].cells():
        if is_ckcnn(cell):
            continue
        epochs, batch, lr, norm = SEQUENCE_PROTOCOLS[cell.dataset.name]
        keep = "best_test" if name == "table1_sequential" else "best_val"
        assert cell.recipe == replace(
            PLAIN,
            epochs=epochs,
            batch_size=batch,
            lr=0.001 if is_siren(cell) else lr,
            keep=keep,
        )
        assert cell.operator.options.get("kernel_norm", 0.0) == norm


@pytest.mark.parametrize("name", ["table1_sequential", "table2_timeseries"])
def test_ckcnn_has_the_settings_of_its_own_code(name) -> None:
    defaults = {"omega_0": 30.0, "kernel_norm": 0.0, "kernel_dropout": 0.0}
    for cell in filter(is_ckcnn, SUITES[name].cells()):
        dataset = cell.dataset.name
        assert cell.recipe == replace(CKCNN_RECIPE, **CKCNN_RECIPES.get(dataset, {}))
        options = defaults | cell.operator.options
        assert [options[key] for key in ("generator", "weight_norm", "bias_init")] == [
            "siren",
            True,
            "uniform",
        ]
        # Section 6 has nothing for npCIFAR10.
        omega, dropout, dropout_in, norm, kernel_dropout = CKCNN_OPTIONS.get(
            (cell.architecture.name, dataset), (30.0, 0.1, 0.0, 0.0, 0.0)
        )
        drops = {"dropout": 0.1, "dropout_in": 0.0} | cell.architecture.options
        assert (options["omega_0"], drops) == (
            omega,
            {"dropout": dropout, "dropout_in": dropout_in},
        )
        assert (options["kernel_norm"], options["kernel_dropout"]) == (norm, kernel_dropout)


def test_fits_have_the_steps_and_rates_of_section_6() -> None:
    steps = {"figure4_fit": 5_000, "table5_kodak": 20_000}
    for name, expected in steps.items():
        for cell in SUITES[name].cells():
            recipe = cell.recipe
            assert recipe.epochs * (recipe.steps_per_epoch or 0) == expected
            is_slow = cell.architecture.options.get("generator") == "siren" and (
                name == "table5_kodak" or cell.dataset.label.startswith("gabor")
            )
            assert recipe.lr == (0.001 if is_slow else 0.01)


@pytest.mark.parametrize("name", COUNTS)
def test_small_scales_have_one_seed(name) -> None:
    assert len({cell.seed for cell in SUITES[name].cells("small")}) == 1


@pytest.mark.parametrize("name", COUNTS)
def test_smoke_scales_need_no_download(name) -> None:
    cells = SUITES[name].cells("smoke")
    allowed = {"digits", "digits_sequence", "noise", "noise_sequence", "synthetic_picture"}
    assert {cell.dataset.name for cell in cells} <= allowed | {"kernel_target"}
    assert "alexnet" not in {cell.dataset.options.get("target") for cell in cells}


def test_what_suites_have_in_common_is_one_cell() -> None:
    assert ids("table3_cifar10") < ids("table6_cifar10_full")
    assert len(ids("kernel_norm") & ids("table6_cifar10_full")) == 3 * 3
    assert len(ids("mask_sigma") & ids("table3_cifar10")) == 3
    assert len(ids("figure5_grid") & ids("table4_crossres")) == 2 * 3
    assert len(ids("sequence_protocol") & ids("table1_sequential")) == 2 * 3
    assert ids("timing") == ids("timing_benchmark")


@pytest.mark.slow
def test_every_published_number_has_a_cell_or_a_reason(tmp_path) -> None:
    tables = [table for s in SUITES.values() for table in suite_tables(s, "full", tmp_path)]
    published = read_published(PUBLISHED)
    found = find_coverage(published, find_places(tables), read_uncovered(PUBLISHED, published))
    assert not [item.cell for item in found if not item.is_covered and not item.reason]
    covered = {item.table.id for item in found if item.is_covered}
    assert covered == {table.id for table in published.tables} - {"poster_superseded"}
    # These runs were exported before they had finished.
    cells = [item.cell for item in found if item.is_covered]
    compared = {cell.row for cell in cells if cell.column == "finetuned_acc"}
    assert not [row for row in compared if row.startswith("flexnet5_njet")]
    assert not compared & {f"flexnet7_ckconv_siren{end}" for end in ("", "_seed1", "_seed2")}


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["small", "smoke"])
@pytest.mark.parametrize("name", COUNTS)
def test_every_table_has_rows_at_every_scale(name, scale, tmp_path) -> None:
    for table in suite_tables(SUITES[name], scale, tmp_path):
        assert table.rows, table.id
        assert table.columns, table.id


@pytest.mark.slow
@pytest.mark.parametrize(("name", "source"), SHAPES.items(), ids=SHAPES)
def test_rows_and_columns_have_the_order_of_the_paper(name, source, tmp_path) -> None:
    first, *_ = suite_tables(SUITES[name], "full", tmp_path)
    (published,) = (table for table in read_published(PUBLISHED).tables if table.id == source)
    for lines, expected, kind in (
        (first.entries, published.rows, "row"),
        (zip(*first.entries, strict=True), published.columns, "column"),
    ):
        found = [
            getattr(place, kind)
            for line in lines
            for entry in line
            for place in entry.sources
            if place.table == source
        ]
        assert list(dict.fromkeys(found)) == [label.id for label in expected if label.id in found]
