"""Ids are pinned: a change here makes every result of earlier versions another cell."""

import json
import re
from dataclasses import fields, replace

import pytest

from kbench.cell import Cell, Choice, Limit, as_text, read_manifest
from kbench.errors import RecordError
from kbench.recipe import Augmentation, Recipe

RICH = {
    "dataset": Choice("cifar10", {"size": 32}),
    "architecture": Choice("resnet20_cifar", {"width": 16, "shortcut": "pad"}),
    "operator": Choice("lc", {"expansion": 128, "frozen": False}),
    "recipe": Recipe(
        epochs=75,
        batch_size=256,
        lr=0.01,
        weight_decay=5e-4,
        schedule="step",
        milestones=(30, 60),
        augmentation=Augmentation(crop_padding=4, flip=True),
    ),
    "limit": Limit(256, 128),
    "scale": "small",
}


@pytest.fixture(params=[{}, RICH], ids=["plain", "rich"])
def cell(request, demo_cell) -> Cell:
    return demo_cell(3, **request.param)


@pytest.mark.parametrize(
    ("changes", "cell_id"),
    [
        ({}, "digits-resnet8_cifar-conv-s3-25674485"),
        (RICH, "cifar10-resnet20_cifar-lc-s3-ce4049a5"),
    ],
    ids=["plain", "rich"],
)
def test_ids_are_the_same_on_every_machine_and_in_every_version(
    demo_cell, changes, cell_id
) -> None:
    assert demo_cell(3, **changes).id == cell_id


@pytest.mark.parametrize(
    "changes",
    [
        {"suite": "other"},
        {"recipe_label": "other"},
        {"imports": ("mine",)},
        {"evaluate": (Choice("test"), Choice("fgsm"))},
        {"operator": Choice("lc", {"frozen": False, "expansion": 128}, "lc-learned")},
        {"dataset": Choice("cifar10", {"size": 32}, "CIFAR-10")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_labels_and_order_and_evaluations_are_no_part_of_the_id(demo_cell, changes) -> None:
    assert demo_cell(**(RICH | changes)).id == demo_cell(**RICH).id


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"scale": "smoke"},
        {"task": "other"},
        {"dataset": Choice("svhn", {"size": 32})},
        {"architecture": Choice("resnet20_cifar", {"width": 8, "shortcut": "pad"})},
        {"operator": Choice("lc", {"expansion": 64, "frozen": False})},
        {"operator": Choice("lc", {"expansion": 128})},
        {"recipe": replace(RICH["recipe"], lr=0.02)},
        {"recipe": replace(RICH["recipe"], precision="bf16")},
        {"recipe": replace(RICH["recipe"], milestones=(30,))},
        {"recipe": replace(RICH["recipe"], augmentation=Augmentation(crop_padding=4))},
        {"limit": Limit(256)},
        {"limit": Limit(256, 129)},
    ],
    ids=str,
)
def test_what_defines_the_result_makes_another_id(demo_cell, changes) -> None:
    assert demo_cell(**(RICH | changes)).id != demo_cell(**RICH).id


@pytest.mark.parametrize("scale", ["full", 'a "b" \u00e9'], ids=["plain", "quoted"])
def test_the_hashed_text_is_the_definition_as_sorted_json(cell, scale) -> None:
    given = replace(cell, scale=scale)
    assert given.canonical == json.dumps(given.definition, sort_keys=True, separators=(",", ":"))


def test_the_slug_is_readable(cell) -> None:
    names = (cell.dataset.name, cell.architecture.name, cell.operator.name)
    assert re.fullmatch("-".join([*names, "s3", "[0-9a-f]{8}"]), cell.id)


def test_json_and_back_is_the_same_cell(cell) -> None:
    found = Cell.from_json(json.loads(json.dumps(cell.to_json())))
    assert found == cell
    assert found.id == cell.id


@pytest.mark.parametrize("key", [f.name for f in fields(Cell)])
@pytest.mark.parametrize("value", [None, 3, "text", [], [None], {"name": 3}], ids=repr)
def test_json_of_another_shape_is_refused_or_read_as_it_is(demo_cell, key, value) -> None:
    written = json.loads(json.dumps(demo_cell(**RICH).to_json())) | {key: value}
    try:
        found = Cell.from_json(written)
    except RecordError:
        return
    assert json.loads(json.dumps(found.to_json())) == written


@pytest.mark.parametrize("value", [None, [], "text", {}], ids=repr)
def test_json_that_is_no_cell_is_refused(value) -> None:
    with pytest.raises(RecordError, match="cell has other keys than this version of kbench"):
        Cell.from_json(value)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"later": 1}, r"\['later'\]"), ({"seed": None}, r"\['seed'\]")],
    ids=["unknown", "missing"],
)
def test_keys_of_another_version_are_named(demo_cell, change, named) -> None:
    written = {k: v for k, v in (demo_cell().to_json() | change).items() if v is not None}
    with pytest.raises(RecordError, match=f"writes: {named}"):
        Cell.from_json(written)


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "lc"),
        ({"frozen": True, "expansion": 2}, "lc-expansion=2-frozen=true"),
    ],
    ids=["none", "some"],
)
def test_a_choice_without_a_label_is_called_by_its_options(options, label) -> None:
    assert Choice("lc", options).label == label
    assert Choice("lc", options, "mine").label == "mine"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (1, "1"), (0.5, "0.5"), ("x", "x"), (None, "null")],
)
def test_values_are_shown_as_a_suite_file_has_them(value, text) -> None:
    assert as_text(value) == text


def test_a_manifest_is_a_cell_a_line(tmp_path, demo_cell) -> None:
    cells = [demo_cell(seed) for seed in range(3)]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(cell.to_json()) + "\n" for cell in cells))
    assert read_manifest(path) == cells
    assert read_manifest(path, range(1, 3)) == cells[1:]


def test_lines_that_are_not_asked_for_are_not_read(tmp_path, demo_cell) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(f"no cell\n{json.dumps(demo_cell().to_json())}\nno cell\n")
    assert read_manifest(path, range(1, 2)) == [demo_cell()]
    with pytest.raises(RecordError, match=r"no line 3; the manifest has 3, counted from 0"):
        read_manifest(path, range(3, 4))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "2: Expecting property name"),
        ("{}", "2: cell has other keys"),
        ("", "2: Expecting value"),
    ],
    ids=["no-json", "no-cell", "empty"],
)
def test_a_line_that_is_no_cell_is_named(tmp_path, demo_cell, line, message) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(f"{json.dumps(demo_cell().to_json())}\n{line}\n")
    with pytest.raises(RecordError, match=rf"manifest\.jsonl:{message}"):
        read_manifest(path)


def test_a_manifest_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(RecordError, match=r"gone\.jsonl: cannot be read: No such file"):
        read_manifest(tmp_path / "gone.jsonl")
