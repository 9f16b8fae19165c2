import json

import pytest

from kbench.cell import Choice, Limit
from kbench.errors import SuiteError
from kbench.expansion import axis_values, expand, matches, read_suite
from kbench.recipe import Augmentation, Recipe
from kbench.suite_file import ChoiceSpec, SuiteFile

KEYS = list(SuiteFile.model_fields)
BLOCK = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": "conv"}


@pytest.fixture
def cells(write_suite):
    """Return a function that gives the cells of a suite."""

    def load(scale: str = "full", **keys: object):
        return read_suite(write_suite(**keys)).cells(scale)

    return load


def names(cells) -> list[tuple]:
    return [
        (c.dataset.label, c.architecture.label, c.operator.label, c.recipe_label, c.seed)
        for c in cells
    ]


def test_lists_are_axes_in_file_order_the_seed_innermost(cells) -> None:
    block = {
        "dataset": ["svhn", "digits"],
        "architecture": "resnet8_cifar",
        "operator": ["lc", "conv"],
    }
    found = names(cells(grid=[block], seeds=[1, 0]))
    assert found == [
        (dataset, "resnet8_cifar", operator, "plain", seed)
        for dataset in ("svhn", "digits")
        for operator in ("lc", "conv")
        for seed in (1, 0)
    ]


def test_blocks_are_added_up_in_their_order(cells) -> None:
    found = names(cells(grid=[BLOCK | {"operator": "lc"}, BLOCK | {"dataset": "svhn"}]))
    assert [(name[0], name[2]) for name in found] == [("digits", "lc"), ("svhn", "conv")]


def test_a_block_may_stand_alone(cells) -> None:
    assert cells(grid=BLOCK) == cells(grid=[BLOCK])


def test_a_cell_given_twice_comes_once_under_its_first_label(cells) -> None:
    again = {"name": "conv", "frozen": False, "label": "again"}
    found = cells(grid=[BLOCK, BLOCK | {"operator": ["lc", again]}])
    assert [cell.operator.label for cell in found] == ["conv", "lc"]


@pytest.mark.parametrize("kind", ["dataset", "architecture", "operator"])
def test_lists_inside_options_are_axes(cells, kind) -> None:
    options = {
        "dataset": {"name": "digits", "size": [8, 16], "channels": [1, 3]},
        "architecture": {"name": "resnet8_cifar", "width": [8, 4], "shortcut": ["pad", "conv"]},
        "operator": {"name": "lc", "expansion": [2, 4], "frozen": [False, True]},
    }[kind]
    found = [
        getattr(cell, kind).definition["options"] for cell in cells(grid=BLOCK | {kind: options})
    ]
    defaults = {
        "dataset": {"size": 8, "channels": 1},
        "architecture": {"width": 16, "shortcut": "conv"},
        "operator": {"expansion": 1, "frozen": True},
    }[kind]
    first, second = (key for key in options if key != "name")
    assert [tuple((defaults | item)[key] for key in (first, second)) for item in found] == [
        (a, b) for a in options[first] for b in options[second]
    ]


def test_a_label_is_extended_by_the_options_that_vary() -> None:
    spec = ChoiceSpec(name="lc", label="LC", options={"expansion": (1, 2), "frozen": (False,)})
    assert [choice.label for choice in expand("operator", spec)] == [
        "LC-expansion=1",
        "LC-expansion=2",
    ]
    varying = ChoiceSpec(name="lc", label="LC", options={"frozen": (True, False)})
    assert [choice.label for choice in expand("operator", varying)] == [
        "LC-frozen=true",
        "LC-frozen=false",
    ]
    fixed = ChoiceSpec(name="lc", label="LC", options={"expansion": (2,)})
    assert expand("operator", fixed) == [Choice("lc", {"expansion": 2}, "LC")]


def test_defaults_written_down_and_key_order_make_no_other_cell(cells) -> None:
    short = cells(
        grid=BLOCK | {"operator": {"name": "lc", "expansion": 4, "frozen": False}},
        recipe={"name": "plain", "momentum": 0.5, "weight_decay": 0.1},
    )
    long = cells(
        recipe={
            "weight_decay": 0.1,
            "momentum": 0.5,
            "name": "plain",
            "precision": "fp32",
            "augmentation": {"flip": False},
            "gamma": 0.1,
        },
        grid={
            "operator": {
                "init": "uniform",
                "frozen": False,
                "name": "lc",
                "expansion": 4,
                "padding_mode": "zeros",
                "label": "learned",
            },
            "architecture": {"name": "resnet8_cifar", "width": 16},
            "dataset": {"name": "digits", "size": 8},
        },
    )
    assert [cell.id for cell in long] == [cell.id for cell in short]
    assert long[0].operator.options == {"expansion": 4, "frozen": False}


def test_null_is_a_value_of_options_that_allow_it(cells) -> None:
    block = BLOCK | {"operator": {"name": "njet", "safe_subsample": None, "max_radius": [64, None]}}
    first, second = cells(grid=block)
    assert first.id == cells(grid=BLOCK | {"operator": "njet"})[0].id
    assert second.operator == Choice("njet", {"max_radius": None}, "njet-max_radius=null")


def test_the_id_does_not_depend_on_name_title_or_place_of_the_suite(cells) -> None:
    assert cells(suite="other", title="x", notes=["y"])[0].id == cells()[0].id


def test_expansion_is_the_same_every_time(cells) -> None:
    keys = {"grid": [BLOCK | {"operator": [{"name": "lc", "expansion": [8, 1, 4]}, "conv"]}]}
    assert [c.id for c in cells(**keys)] == [c.id for c in cells(**keys)]


GRID = [
    BLOCK
    | {"dataset": ["digits", "svhn"], "operator": ["conv", {"name": "lc", "expansion": [1, 8]}]}
]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"dataset": "svhn"}, 6),
        ({"dataset": "svhn", "operator": "conv"}, 10),
        ({"operator": "lc"}, 4),
        ({"operator": "lc-expansion=8"}, 8),
        ({"operator.expansion": 8}, 8),
        ({"operator.expansion": 1, "seed": 0}, 10),
        ({"operator.frozen": True}, 4),
        ({"seed": [0, 1]}, 0),
        ({"seed": 1, "dataset": ["digits", "svhn"]}, 6),
        ({"recipe": "plain", "operator": "conv"}, 8),
        ({"recipe.lr": 0.1, "dataset": "svhn"}, 6),
        ({"recipe.augmentation.flip": False, "dataset": "svhn"}, 6),
        ({"recipe.lr": 0.2}, 12),
        ({"architecture": "resnet8_cifar", "seed": 0}, 6),
    ],
    ids=str,
)
def test_exclusion_is_by_any_subset_of_axes(cells, rule, left) -> None:
    found = cells(grid=GRID, seeds=[0, 1], exclude=[rule])
    assert len(found) == left
    assert not any(
        matches(cell, {k: tuple(v) if isinstance(v, list) else (v,) for k, v in rule.items()})
        for cell in found
    )


def test_several_exclusions_add_up(cells) -> None:
    rules = [{"dataset": "svhn"}, {"operator": "conv"}]
    assert {(c.dataset.name, c.operator.name) for c in cells(grid=GRID, exclude=rules)} == {
        ("digits", "lc")
    }


def test_labels_exclude_and_so_do_names_behind_them(cells) -> None:
    grid = [BLOCK | {"operator": ["conv", {"name": "lc", "label": "frozen"}]}]
    for rule in ({"operator": "frozen"}, {"operator": "lc"}):
        assert [c.operator.name for c in cells(grid=grid, exclude=[rule])] == ["conv"]


SCALES = {
    "small": {"recipe": {"epochs": 1}, "seeds": [5, 6], "limit": {"train": 64}},
    "smoke": {
        "grid": [BLOCK | {"operator": "lc"}],
        "exclude": [{"seed": 1}],
        "evaluate": [{"name": "fgsm", "epsilon": "1/100"}],
    },
}


@pytest.fixture
def scaled(cells):
    def load(scale: str):
        return cells(scale, seeds=[0, 1], limit={"test": 32}, scales=SCALES)

    return load


def test_a_scale_overrides_recipe_seeds_and_limit(scaled) -> None:
    found = scaled("small")
    assert [cell.seed for cell in found] == [5, 6]
    assert {cell.recipe.epochs for cell in found} == {1}
    assert {cell.limit for cell in found} == {Limit(64, None)}
    assert {cell.scale for cell in found} == {"small"}


def test_a_scale_overrides_grid_and_evaluations_and_adds_exclusions(scaled) -> None:
    (cell,) = scaled("smoke")
    assert (cell.operator.name, cell.seed, cell.recipe.epochs) == ("lc", 0, 2)
    assert cell.evaluate == (Choice("fgsm", {"epsilon": 0.01}),)
    assert cell.limit == Limit(None, 32)


def test_the_full_scale_is_the_suite_itself(scaled) -> None:
    found = scaled("full")
    assert [cell.seed for cell in found] == [0, 1]
    assert {(cell.operator.name, cell.limit) for cell in found} == {("conv", Limit(None, 32))}


def test_cells_of_two_scales_are_different_cells(cells) -> None:
    scales = {"small": {}, "smoke": {}}
    ids = [cells(scale, scales=scales)[0].id for scale in ("full", "small", "smoke")]
    assert len(set(ids)) == 3


def test_an_unknown_scale_is_refused(write_suite) -> None:
    path = write_suite(scales={"smoke": {}})
    with pytest.raises(
        SuiteError, match=r"demo\.yaml:1: no scale 'small'; the suite has full, smoke"
    ):
        read_suite(path).cells("small")


def test_recipes_are_laid_file_suite_block_scale(cells) -> None:
    (cell,) = cells(
        "smoke",
        recipe={"name": "plain", "lr": 0.2, "momentum": 0.2, "weight_decay": 0.2, "gamma": 0.2},
        grid=[
            BLOCK
            | {"recipe": {"momentum": 0.3, "weight_decay": 0.3, "augmentation": {"flip": True}}}
        ],
        scales={"smoke": {"recipe": {"weight_decay": 0.4, "augmentation": {"crop_padding": 1}}}},
    )
    assert cell.recipe == Recipe(
        epochs=2,
        batch_size=64,
        lr=0.2,
        momentum=0.3,
        weight_decay=0.4,
        gamma=0.2,
        augmentation=Augmentation(crop_padding=1, flip=True),
    )


def test_recipes_are_an_axis_of_a_block(cells, tmp_path) -> None:
    other = tmp_path / "suites" / "recipes" / "other.yaml"
    other.write_text("epochs: 9\nbatch_size: 2\nlr: 1\n")
    found = cells(grid=[BLOCK | {"recipe": ["other", {"lr": 0.5}]}])
    assert [(c.recipe_label, c.recipe.epochs, c.recipe.lr) for c in found] == [
        ("other", 9, 1.0),
        ("plain", 2, 0.5),
    ]


def test_cells_carry_evaluations_and_imports(cells) -> None:
    (cell,) = cells(evaluate=["test", {"name": "fgsm", "epsilon": "1/255"}], imports=["json"])
    assert cell.evaluate == (Choice("test"), Choice("fgsm"))
    assert cell.imports == ("json",)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("seed", (3,)),
        ("operator", ("learned", "lc")),
        ("operator.expansion", (4,)),
        ("operator.frozen", (True,)),
        ("operator.sigma", ()),
        ("dataset", ("digits", "digits")),
        ("recipe", ("plain",)),
        ("recipe.lr", (0.1,)),
        ("recipe.clip_norm", (None,)),
        ("recipe.augmentation.flip", (False,)),
    ],
    ids=str,
)
def test_values_of_an_axis(demo_cell, axis, values) -> None:
    cell = demo_cell(3, operator=Choice("lc", {"expansion": 4}, "learned"))
    assert axis_values(cell, axis) == values


def test_a_cell_knows_the_line_of_its_operator(write_suite) -> None:
    path = write_suite(scales={"smoke": {"grid": [BLOCK, BLOCK | {"operator": ["lc"]}]}})
    suite = read_suite(path)
    lines = path.read_text().splitlines()
    found = [int(suite.where(cell).rpartition(":")[2]) for cell in suite.cells("smoke")]
    assert [json.loads(lines[line - 1].strip().removeprefix('"operator": ')) for line in found] == [
        "conv",
        "lc",
    ]


def test_the_shape_is_checked_all_at_once_in_file_order(write_suite) -> None:
    path = write_suite(
        "suite: Demo\ntitle: 3\nrecip: plain\ngrid:\n  - dataset: digits\n    operator: []\n"
    )
    with pytest.raises(SuiteError, match="demo") as caught:
        read_suite(path)
    assert [finding.removeprefix(f"{path}:") for finding in caught.value.findings] == [
        "1: missing key 'recipe'",
        "1: suite: string should match pattern '^[a-z][a-z0-9_-]*$', got 'Demo'",
        "2: title: expected text, got 3",
        f"3: unknown key 'recip' (did you mean 'recipe'?); known: {', '.join(KEYS)}",
        "5: missing key 'architecture'",
        "6: operator: an empty list; at least one is needed",
    ]
