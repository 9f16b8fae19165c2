import json
import re
from dataclasses import FrozenInstanceError, fields

import pytest
from pydantic import TypeAdapter, ValidationError

from kbench.recipe import Augmentation, Recipe

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
        {"epochs": 0},
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
