"""Shape of a suite file, and the JSON Schema that editors check suites with."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from kbench.file_model import as_list, as_number, as_seconds
from kbench.suite_file import RecipeSpec, SuiteFile, as_choice, as_recipe
from kbench.yaml_file import read_yaml

SUITES = sorted(
    path
    for path in (Path(__file__).parents[1] / "suites").rglob("*.yaml")
    if not {"recipes", "published"} & set(path.parts)
)
BLOCK = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": "conv"}
PLAIN = {"suite": "demo", "title": "t", "recipe": "plain", "grid": BLOCK}


def make(**keys: object) -> SuiteFile:
    return SuiteFile.model_validate(PLAIN | keys)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("45s", 45),
        ("1h30m", 5400),
        ("1h0m5s", 3605),
        ("02:00:00", 7200),
        ("00:01:30", 90),
        (30, 30),
    ],
    ids=str,
)
def test_durations_are_seconds(written, seconds) -> None:
    assert make(time_limit=written).time_limit == seconds


@pytest.mark.parametrize("written", ["", "h", "2 h", "1.5h", "2d", "10:30", "30m1h", "-5s"])
def test_what_is_no_duration_is_refused(written) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{written!r} is no duration; write 2h")):
        as_seconds(written)


def test_a_time_limit_is_longer_than_nothing() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        make(time_limit="0s")


@pytest.mark.parametrize(
    ("written", "value"),
    [("1/255", 1 / 255), ("8/4", 2.0), ("1/0", "1/0"), ("a/b", "a/b"), ("1/2/3", "1/2/3"), (3, 3)],
    ids=str,
)
def test_fractions_are_numbers(written, value) -> None:
    assert as_number(written) == value


def test_a_scalar_is_a_list_of_one() -> None:
    assert (as_list("x"), as_list(["x"]), as_list(("x",))) == (["x"], ["x"], ("x",))


def test_a_name_is_a_choice_without_options() -> None:
    assert as_choice("lc") == {"name": "lc"}
    assert as_choice({"name": "lc", "label": "x", "expansion": [1, 2]}) == {
        "name": "lc",
        "label": "x",
        "options": {"expansion": [1, 2]},
    }


def test_a_recipe_is_a_name_or_overrides_or_both() -> None:
    assert as_recipe("plain") == {"name": "plain"}
    assert as_recipe({"lr": 1}) == {"overrides": {"lr": 1}}
    assert as_recipe({"name": "plain", "lr": 1}) == {"name": "plain", "overrides": {"lr": 1}}


def test_shorthand_and_the_long_form_are_the_same() -> None:
    long = make(
        grid=[{key: [{"name": value}] for key, value in BLOCK.items()}],
        recipe={"name": "plain"},
        evaluate=[{"name": "test"}],
        seeds=[0],
    )
    assert make() == long


def test_what_is_not_given_has_the_documented_default() -> None:
    suite = make()
    assert suite.seeds == (0,)
    assert [choice.name for choice in suite.evaluate] == ["test"]
    assert suite.grid[0].recipe == (RecipeSpec(),)
    assert suite.limit.model_dump() == {"train": None, "test": None}
    assert (suite.paper, suite.time_limit, suite.scales, suite.tables) == (None, None, {}, ())


@pytest.mark.parametrize("module", ["my_package.my_operator", "mine"])
def test_imports_are_module_names(module) -> None:
    assert make(imports=[module]).imports == (module,)


@pytest.mark.parametrize("module", ["", "..mine", "my-package", "a b", "mine.py.", "os; x"])
def test_imports_that_are_no_module_names_are_refused(module) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        make(imports=[module])


def test_a_seed_given_twice_is_refused_in_scales_too() -> None:
    with pytest.raises(ValidationError, match=r"a seed is given twice: \[0, 0\]"):
        make(scales={"smoke": {"seeds": [0, 0]}})


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def accepts(schema: dict, value: object, root: dict) -> bool:
    """Say whether a value fits the part of JSON Schema that pydantic writes."""
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema:
        return any(accepts(option, value, root) for option in schema["anyOf"])
    is_number = schema.get("type") in ("integer", "number")
    return (
        isinstance(value, TYPES[schema["type"]] if "type" in schema else object)
        and not (is_number and isinstance(value, bool))
        and value == schema.get("const", value)
        and value in schema.get("enum", [value])
        and accepts_inside(schema, value, root)
    )


def accepts_inside(schema: dict, value: object, root: dict) -> bool:
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        few = len(value) < schema.get("minItems", 0)
        return not few and all(accepts(schema.get("items", {}), item, root) for item in value)
    return not isinstance(value, dict) or accepts_mapping(schema, value, root)


def accepts_mapping(schema: dict, value: dict, root: dict) -> bool:
    others = schema.get("additionalProperties", True)
    known = schema.get("properties", {})
    rest = {} if others is True else others
    return (
        set(schema.get("required", ())) <= set(value)
        and (others is not False or set(value) <= set(known))
        and all(accepts(schema.get("propertyNames", {}), key, root) for key in value)
        and all(accepts(known.get(key, rest), item, root) for key, item in value.items())
    )


@pytest.fixture(scope="module")
def schema() -> dict:
    return SuiteFile.model_json_schema()


@pytest.mark.parametrize("path", SUITES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_json_schema_accepts_the_suites_of_this_repository(schema, path) -> None:
    assert accepts(schema, read_yaml(path).value, schema)


@pytest.mark.parametrize(
    "keys",
    [
        {"tabels": []},
        {"seeds": "0"},
        {"seeds": []},
        {"grid": [{"dataset": "digits"}]},
        {"scales": {"tiny": {}}},
        {"scales": {"smoke": {"recip": "x"}}},
        {"suite": "Demo"},
        {"task": "driving"},
        {"recipe": 3},
        {"evaluate": 3},
    ],
    ids=str,
)
def test_the_json_schema_refuses_what_the_models_refuse(schema, keys) -> None:
    assert accepts(schema, PLAIN, schema)
    assert not accepts(schema, PLAIN | keys, schema)
    with pytest.raises(ValidationError, match="SuiteFile"):
        make(**keys)


def test_every_key_is_explained() -> None:
    documented = set(re.findall(r"^ {8}(\w+):", SuiteFile.__doc__, re.MULTILINE))
    assert documented == set(SuiteFile.model_fields)


def test_a_suite_without_cells_has_a_reason() -> None:
    suite = make(grid=[], reason="why", recipe={})
    assert (suite.grid, suite.reason, suite.recipe) == ((), "why", RecipeSpec())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"grid": []}, "an empty list; at least one is needed"),
        ({"grid": [], "reason": ""}, "an empty list; at least one is needed"),
        ({"reason": "why"}, "reason says why there are no cells; it goes with an empty grid"),
    ],
    ids=["no reason", "empty reason", "cells and a reason"],
)
def test_a_grid_is_empty_for_a_reason_only(keys, message) -> None:
    with pytest.raises(ValidationError, match=message):
        make(**keys)
