import json
import re
from dataclasses import FrozenInstanceError, asdict, fields

import pytest
from pydantic import TypeAdapter, ValidationError

from kbench.recipe import Augmentation, Recipe, find_refused

NEEDED = {"epochs": 4, "batch_size": 8, "lr": 0.1}
ADAPTER = TypeAdapter(Recipe)


def test_only_what_differs_from_the_defaults_defines_a_result() -> None:
    assert Recipe(**NEEDED).changed == NEEDED
    written = {f.name: f.default for f in fields(Recipe) if f.name not in NEEDED}
    assert Recipe(**NEEDED, **written).changed == NEEDED


def test_of_the_augmentation_too_only_what_differs_counts() -> None:
    recipe = Recipe(**NEEDED, augmentation=Augmentation(flip=True, crop_padding=0))
    assert recipe.changed == NEEDED | {"augmentation": {"flip": True}}


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'lr'"):
        Recipe(**NEEDED).lr = 1.0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"warmup_epochs": 4}, "warmup_epochs (=4) must be less than epochs (=4)"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs optimizer sgd with momentum > 0"),
        ({"nesterov": True, "optimizer": "adam"}, "nesterov needs optimizer sgd"),
        ({"schedule": "step", "milestones": (3, 2)}, "milestones (=[3, 2]) must rise"),
        ({"schedule": "step", "milestones": (2, 2)}, "milestones (=[2, 2]) must rise"),
        ({"schedule": "step"}, "milestones (=[]) go with schedule step, and only with it"),
        ({"milestones": (2,)}, "milestones (=[2]) go with schedule step, and only with it"),
    ],
    ids=str,
)
def test_fields_that_contradict_each_other_are_refused(keys, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Recipe(**NEEDED, **keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"epochs": -1},
        {"epochs": 1.0},
        {"epochs": True},
        {"epochs": "4"},
        {"lr": 0},
        {"lr": "0.1"},
        {"momentum": 1},
        {"momentum": -0.1},
        {"weight_decay": -1},
        {"label_smoothing": 1.0},
        {"clip_norm": 0},
        {"ema_decay": 1},
        {"gamma": 0},
        {"gamma": 1.5},
        {"precision": "fp64"},
        {"optimizer": "lamb2"},
        {"augmentation": {"crop_padding": -1}},
        {"augmentation": {"flip": 1}},
        {"augmentation": {"mirror": True}},
        {"augmentation": None},
        {"learning_rate": 0.1},
    ],
    ids=str,
)
def test_annotations_are_the_schema(keys) -> None:
    with pytest.raises(ValidationError, match=next(iter(keys))):
        ADAPTER.validate_json(json.dumps(NEEDED | keys))


def test_an_integer_is_a_float_where_one_is_meant() -> None:
    recipe = ADAPTER.validate_json(json.dumps(NEEDED | {"lr": 1, "clip_norm": 2}))
    assert (repr(recipe.lr), repr(recipe.clip_norm)) == ("1.0", "2.0")


@pytest.mark.parametrize("kind", [Recipe, Augmentation])
def test_every_field_is_explained(kind) -> None:
    documented = set(re.findall(r"^ {8}(\w+):", kind.__doc__, re.MULTILINE))
    assert documented == {f.name for f in fields(kind)}


AUGMENTED = {
    "random_resized_crop": True,
    "size": 224,
    "randaugment": "rand-m9-mstd0.5-inc1",
    "mixup": 0.8,
    "cutmix": 1,
    "repeats": 3,
    "progressive_from": 160,
    "progressive_end": 30,
    "progressive_start": 3,
}


def test_an_augmentation_is_read_from_plain_values() -> None:
    recipe = ADAPTER.validate_json(
        json.dumps(NEEDED | {"loader": "torch", "augmentation": AUGMENTED})
    )
    assert recipe.augmentation == Augmentation(**AUGMENTED)
    assert recipe.changed["augmentation"] == AUGMENTED


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"min_crop_area": 0.2}, "min_crop_area (=0.2) needs random_resized_crop"),
        ({"progressive_from": 128}, "progressive_from (=128) needs random_resized_crop"),
        ({"progressive_end": 3}, "progressive_end (=3) needs progressive_from"),
        ({"random_erasing_mode": "rand"}, "random_erasing_mode (='rand') needs random_erasing"),
        ({"mixup_prob": 0.5}, "mixup_prob (=0.5) needs mixup or cutmix"),
        (
            {"random_resized_crop": True, "crop_padding": 4},
            "crop_padding (=4) and random_resized_crop both crop",
        ),
        ({"randaugment": "m9"}, "randaugment (='m9') must be written as timm does"),
        ({"randaugment": "rand-x9"}, "randaugment (='rand-x9') must be written as timm does"),
        (
            {"randaugment": "rand-m9", "color_jitter": 0.4},
            "color_jitter (=0.4) has no effect beside randaugment, as in timm",
        ),
        (
            {"random_resized_crop": True, "progressive_from": 128, "size": 192},
            "progressive_end (=0) must be more than progressive_start (=0)",
        ),
    ],
    ids=str,
)
def test_changes_that_contradict_each_other_are_refused(keys, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Augmentation(**keys)


def test_sides_grow_as_in_ffcvs_recipe() -> None:
    """Linear between the two epochs, in multiples of 32 pixels."""
    augmentation = Augmentation(
        size=192,
        random_resized_crop=True,
        progressive_from=160,
        progressive_start=34,
        progressive_end=38,
    )
    sides = [augmentation.size_in(epoch) for epoch in (0, 34, 35, 37, 38, 40)]
    assert sides == [160, 160, 160, 192, 192, 192]


def test_evaluation_sees_nothing_random() -> None:
    augmentation = Augmentation(
        **AUGMENTED, test_size=256, interpolation="bicubic", crop_ratio=0.95
    )
    assert augmentation.for_test() == Augmentation(
        size=256, interpolation="bicubic", crop_ratio=0.95
    )
    assert Augmentation(resize=16, flip=True).for_test() == Augmentation(resize=16)


def test_what_a_loader_cannot_do_names_those_that_can() -> None:
    augmentation = Augmentation(randaugment="rand-m9")
    assert find_refused("memory", augmentation) == (
        "loader 'memory' cannot do augmentation.randaugment (='rand-m9'); these can: torch"
    )
    assert find_refused("torch", augmentation) == ""


def test_a_loader_that_cannot_do_the_augmentation_is_refused() -> None:
    keys = NEEDED | {"augmentation": {"randaugment": "rand-m9"}}
    with pytest.raises(ValidationError, match=r"memory. cannot do augmentation\.randaugment"):
        ADAPTER.validate_json(json.dumps(keys))


def test_storage_of_pictures_is_part_of_the_result() -> None:
    keys = NEEDED | {"loader": "ffcv", "storage": {"jpeg_share": 1.0}}
    recipe = ADAPTER.validate_json(json.dumps(keys))
    assert recipe.changed["storage"] == {"jpeg_share": 1.0}
    assert Recipe.from_json(json.loads(json.dumps(asdict(recipe)))) == recipe
