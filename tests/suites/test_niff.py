"""NIFF's suites against sections 5, 6 and 8 of its specification, and its published numbers."""

from pathlib import Path

import pytest
import torch

from kbench.architectures import build_architecture
from kbench.expansion import axis_values
from kbench.network import build_network
from kbench.recipe import Augmentation, Recipe
from kbench.report.coverage import find_coverage, find_places
from kbench.report.published import read_published
from kbench.report.suites import suite_tables
from kbench.report.uncovered import read_uncovered
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = {path.stem: load_suite(path) for path in sorted((FOLDER / "niff").glob("*.yaml"))}
PUBLISHED = FOLDER / "published" / "niff.yaml"

# Section 8, the products written out: networks x convolutions (x datasets, ...) x seeds.
COUNTS = {
    "imagenet1k": ((3 * 4 + 2 * 2) * 3, 2 * 2, 2),
    "imagenet100": ((4 * 4 + 2 * 2) * 3, 3 + 2, 4),
    "cifar10": ((3 * 3 + 1 + 2 * 2) * 3, 3, 2),
    "ablation_boundary": (2 * 2 * 2 * 3, 4, 4),
    "ablation_mlp": (2 * 3 * 2 * 3, 3, 3 * 2),
    "ablation_form": (5 * 3, 4, 5),
    "runtime": (6 * 4 * 11, 4 * 4 * 11, 2 * 11),
    "kernels": (2 * 3, 2, 2 * 2),
    "kernels_notebook": (3, 1, 1),
    "params": (5 * 4 + 4 * 2 + 3 * 4, 40, 3 * 4 + 2 * 2),
}
# The networks of section 5.1 that have a count there: baseline, split or depthwise, full.
SIZES = {
    ("ResNet-18", 1000): (11_689_512, 3_331_904, 21_127_320),
    ("ResNet-18", 10): (11_181_642, 2_824_034, 20_619_450),
    ("ResNet-18", 100): (11_227_812, 2_870_204, 20_665_620),
    ("ResNet-34", 1000): (21_797_672, None, None),
    ("ResNet-50", 1000): (25_557_032, 18_280_128, 33_778_328),
    ("ResNet-50", 10): (23_528_522, 16_251_618, None),
    ("ResNet-101", 1000): (44_549_160, 28_404_920, None),
    ("DenseNet-121", 1000): (7_978_856, 6_159_512, 10_119_752),
    ("MobileNetV2", 1000): (3_504_872, 3_512_560, None),
    ("ConvNeXt-T", 1000): (28_589_128, 28_890_664, None),
    ("ConvNeXt-S", 1000): (50_223_688, None, None),
    ("ConvNeXt-B", 1000): (88_591_464, None, None),
}
FORMS = ("conv", "niff-split", "niff-full")
ALIASES = {"niff-depthwise": "niff-split"}  # one column of section 5.1
CIFAR10 = Recipe(
    epochs=150,
    batch_size=256,
    lr=0.02,
    weight_decay=0.002,
    schedule="cosine",
    label_smoothing=0.1,
    augmentation=Augmentation(crop_padding=4, flip=True),
)
CROPS = Augmentation(size=224, random_resized_crop=True, flip=True)
IMAGENET = Recipe(
    epochs=90,
    batch_size=256,
    lr=0.1,
    weight_decay=1e-4,
    schedule="step",
    milestones=(30, 60),
    loader="torch",
    augmentation=CROPS,
)
MOBILENET = Recipe(
    epochs=300,
    batch_size=256,
    lr=0.045,
    weight_decay=4e-5,
    schedule="exponential",
    gamma=0.98,
    loader="torch",
    augmentation=CROPS,
)
CONVNEXT = Recipe(
    epochs=300,
    batch_size=4096,
    accumulate=16,
    optimizer="adamw",
    lr=4e-3,
    weight_decay=0.05,
    norm_weight_decay=False,
    schedule="cosine",
    min_lr=1e-6,
    warmup_epochs=20,
    label_smoothing=0.1,
    loader="torch",
    augmentation=Augmentation(
        size=224,
        random_resized_crop=True,
        interpolation="bicubic",
        flip=True,
        randaugment="rand-m9-mstd0.5-inc1",
        random_erasing=0.25,
        mixup=0.8,
        cutmix=1.0,
    ),
)
OF_IMAGENET = {"mobilenet_v2": MOBILENET, "convnext_tiny": CONVNEXT}


def ids(name: str, scale: str = "full") -> set[str]:
    return {cell.id for cell in SUITES[name].cells(scale)}


def test_the_stored_spectrum_is_timed_wherever_niff_is_full_or_depthwise() -> None:
    for scale, places in (("full", 6 * 4), ("small", 4 * 4), ("smoke", 2)):
        cells = SUITES["runtime"].cells(scale)
        found = [c.architecture.label for c in cells if c.operator.name == "stored_spectrum"]
        assert sorted(found) == ["3x3"] * places + ["depthwise"] * places


def test_all_suites_of_section_8_are_there() -> None:
    assert set(SUITES) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_the_grids_have_the_cells_of_section_8(name) -> None:
    found = [len(SUITES[name].cells(scale)) for scale in ("full", "small", "smoke")]
    assert found == list(COUNTS[name])


@pytest.mark.parametrize(
    ("name", "axis", "values"),
    [
        ("ablation_boundary", "operator.padding_mode", {"circular", "zeros"}),
        ("ablation_boundary", "operator.coords", {"reference", "centered"}),
        ("ablation_mlp", "operator.mlp", {"8", "auto", "big"}),
        ("ablation_mlp", "operator.init_gain", {0.1, 1.0}),
        ("runtime", "dataset.size", {7, 14, 28, 56, 112, 224}),
        ("runtime", "dataset.channels", {64, 128, 256, 512}),
        ("runtime", "operator.execution", {"auto", "half", "full_spectrum", "fft"}),
    ],
    ids=["boundary", "coords", "mlp", "gain", "size", "channels", "execution"],
)
def test_the_axes_have_the_values_of_section_8(name, axis, values) -> None:
    cells = SUITES[name].cells()
    assert {value for cell in cells for value in axis_values(cell, axis)} == values


@pytest.mark.parametrize("name", ["cifar10", "ablation_boundary", "ablation_mlp", "ablation_form"])
def test_cifar10_has_the_recipe_of_section_6(name) -> None:
    for cell in SUITES[name].cells():
        if cell.dataset.name == "cifar10":
            epochs = 100 if cell.architecture.name == "mobilenet_v2" else 150
            assert cell.recipe.changed == CIFAR10.changed | {"epochs": epochs}
            assert cell.architecture.options["stem"] == "cifar"


@pytest.mark.parametrize("name", ["imagenet1k", "imagenet100", "kernels", "kernels_notebook"])
def test_imagenet_has_the_recipes_of_section_6(name) -> None:
    for cell in SUITES[name].cells():
        assert cell.recipe == OF_IMAGENET.get(cell.architecture.name, IMAGENET)
        assert (cell.limit.train, cell.limit.test) == (None, None)
        if cell.architecture.name == "convnext_tiny":
            assert cell.architecture.options["drop_path"] == 0.1


@pytest.mark.parametrize("name", sorted(set(COUNTS) - {"runtime", "params"}))
def test_every_network_starts_as_section_2_6_says(name) -> None:
    starts = {
        "resnet": "kaiming_fan_out",
        "densenet": "kaiming_fan_in",
        "mobilenet": "kaiming_fan_out_zero_bias",
        "convnext": None,
    }
    for cell in SUITES[name].cells():
        if cell.operator.name == "niff" and cell.operator.label != "niff-split-default":
            family = next(key for key in starts if cell.architecture.name.startswith(key))
            assert cell.operator.options.get("init") == starts[family]
            assert cell.architecture.options["where"] == "niff"


def test_plain_convolutions_stay_as_they_are_under_where() -> None:
    """So one cell is the baseline, whatever `where` says."""
    states = []
    for where in ("all", "niff"):
        torch.manual_seed(0)
        states.append(build_architecture("resnet18", where=where, stem="cifar").state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
def test_sizes_are_those_of_section_5_1() -> None:
    found: dict[tuple[str, object], dict[str, int]] = {}
    for cell in SUITES["params"].cells():
        network = (
            cell.architecture.label.removesuffix("-niff"),
            cell.dataset.options.get("classes", 10),
        )
        label = cell.operator.label.removesuffix("-big").removesuffix("-fan-in")
        if network in SIZES and ALIASES.get(label, label) in FORMS:
            form = FORMS.index(ALIASES.get(label, label))
            if SIZES[network][form] is not None:
                with torch.device("meta"):
                    parameters = list(build_network(cell).parameters())
                found.setdefault(network, {})[FORMS[form]] = sum(p.numel() for p in parameters)
    assert found == {
        network: {form: n for form, n in zip(FORMS, sizes, strict=True) if n is not None}
        for network, sizes in SIZES.items()
    }


@pytest.mark.parametrize("name", COUNTS)
def test_smaller_scales_have_one_seed_and_smoke_needs_no_download(name) -> None:
    for scale in ("small", "smoke"):
        assert {cell.seed for cell in SUITES[name].cells(scale)} == {0}
    cells = SUITES[name].cells("smoke")
    assert {cell.dataset.name for cell in cells} <= {"digits", "noise"}
    assert max(cell.recipe.epochs for cell in cells) <= 2


def test_suites_share_the_cells_that_they_have_in_common() -> None:
    assert len(ids("kernels") & ids("imagenet1k")) == 2 * 3
    assert ids("kernels_notebook") < ids("kernels")
    assert ids("kernels", "small") < ids("cifar10", "small")
    assert len(ids("ablation_form") & ids("cifar10")) == 4 * 3
    assert len(ids("ablation_boundary") & ids("cifar10")) == 3
    assert len(ids("ablation_boundary") & ids("imagenet100")) == 3
    assert len(ids("ablation_mlp") & ids("cifar10")) == 2 * 3


def test_every_published_number_has_a_cell_or_a_reason(tmp_path) -> None:
    tables = [table for s in SUITES.values() for table in suite_tables(s, "full", tmp_path)]
    published = read_published(PUBLISHED)
    found = find_coverage(published, find_places(tables), read_uncovered(PUBLISHED, published))
    assert not [item.cell for item in found if not item.is_covered and not item.reason]
    figures = [item for item in found if item.table.id.startswith("fig_")]
    assert len(figures) == 4 * 7 + 18 + 17 + 11 + 8
    assert all(item.is_covered for item in figures)


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("imagenet1k", set()),
        ("imagenet100", set()),
        ("cifar10", {("resnet50", "niff_full"), ("densenet121", "niff_full")}),
    ],
    ids=["imagenet1k", "imagenet100", "cifar10"],
)
def test_numbers_that_nobody_has_yet_have_their_places(name, left_out, tmp_path) -> None:
    """Once they are in the file they stand in the table, but for what section 8 has not."""
    (wanted,) = (t for t in read_published(PUBLISHED).tables if t.id.startswith(f"{name}_top1"))
    places = find_places(suite_tables(SUITES[name], "full", tmp_path))
    found = {(source.row, source.column, source.metric) for _, source in places}
    assert {
        (cell.row, cell.column, cell.metric)
        for cell in wanted.cells
        if (cell.row, cell.column) not in left_out
    } <= found


@pytest.mark.parametrize("figure", ["fig_pca_resnet50", "fig_mass_ratio_resnet50"])
def test_numbers_of_the_figures_stand_beside_the_same_stage_and_size(figure, tmp_path) -> None:
    places = find_places(suite_tables(SUITES["kernels_notebook"], "full", tmp_path))
    found = {source: item for (_, source), item in places.items() if source.table == figure}
    assert {len(item) for item in found.values()} == {1}
    for source, (place,) in found.items():
        assert place.row.endswith(f"/{source.row}")
        assert place.metric.endswith(f".{source.column}")


@pytest.mark.parametrize("scale", ["small", "smoke"])
@pytest.mark.parametrize("name", COUNTS)
def test_every_table_has_rows_at_every_scale(name, scale, tmp_path) -> None:
    for table in suite_tables(SUITES[name], scale, tmp_path):
        assert table.rows, table.id
        assert table.columns, table.id
