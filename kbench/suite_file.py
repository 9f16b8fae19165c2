"""The shape of a suite file, as pydantic models.

This module, `table_file` and `file_model` know the file alone: no registry, no disk, no torch.
Shorthand (a name for `{name: ...}`, a scalar for a list of one, `1/255` for a number) is expanded
there and nowhere else.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from kbench.file_model import (
    Duration,
    Filter,
    Items,
    Model,
    Module,
    OneOrMore,
    OrScalar,
    Seeds,
    Value,
    as_list,
    not_empty,
    refuse_shorthand,
)
from kbench.resources_file import ResourcesSpec
from kbench.table_file import TableSpec

ScaleName = Literal["full", "small", "smoke"]


def as_choice(value: object) -> object:
    """Return a name, or a name with options, as `{name, label, options}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        return refuse_shorthand(value)
    options = {key: item for key, item in value.items() if key not in ("name", "label")}
    named = {key: item for key, item in value.items() if key in ("name", "label")}
    return named | {"options": options}


def as_recipe(value: object) -> object:
    """Return a recipe's name, or overrides with or without one, as `{name, overrides}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        return refuse_shorthand(value)
    overrides = {key: item for key, item in value.items() if key != "name"}
    named = {key: item for key, item in value.items() if key == "name"}
    return named | {"overrides": overrides}


class ChoiceSpec(Model):
    """A registered name; every list among its options is an axis.

    Attributes:
        name: Name in the registry.
        label: What tables call it.
        options: Values of each option.
    """

    name: str
    label: str | None = None
    options: dict[str, OneOrMore[Value]] = Field(default_factory=dict)


class RecipeSpec(Model):
    """A recipe file's name, overrides of its keys, or both.

    Attributes:
        name: Name of a file in `suites/recipes`; None keeps the recipe that is overridden.
        overrides: Keys of the recipe; checked once the whole recipe is put together.
    """

    name: str | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)


AnyChoice = Annotated[
    ChoiceSpec, BeforeValidator(as_choice, json_schema_input_type=str | dict[str, Any])
]
Choices = OneOrMore[AnyChoice]
AnyChoices = Annotated[Items[AnyChoice], BeforeValidator(as_list), OrScalar(0)]
RecipeRef = Annotated[
    RecipeSpec, BeforeValidator(as_recipe, json_schema_input_type=str | dict[str, Any])
]


class Block(Model):
    """Part of a grid: the product of its axes.

    Attributes:
        dataset: Axis of datasets.
        architecture: Axis of architectures.
        operator: Axis of operators.
        recipe: Axis of recipes, each over the suite's own.
        resources: Resources over the suite's; those of a scale go before them.
    """

    dataset: Choices
    architecture: Choices
    operator: Choices
    recipe: OneOrMore[RecipeRef] = (RecipeSpec(),)
    resources: ResourcesSpec = ResourcesSpec()


AnyBlocks = Annotated[Items[Block], BeforeValidator(as_list), OrScalar(0)]


class LimitSpec(Model):
    """How many images of each split are used; null for all."""

    train: Annotated[int, Field(ge=1)] | None = None
    test: Annotated[int, Field(ge=1)] | None = None


class ScaleSpec(Model):
    """What a scale overrides; a key that is not given keeps the suite's value.

    Attributes:
        recipe: Overrides of every recipe of the grid.
        seeds: Seeds instead of the suite's.
        limit: Images used instead of the suite's limit.
        grid: Grid instead of the suite's.
        exclude: Exclusions besides the suite's.
        evaluate: Evaluations instead of the suite's.
        resources: Resources over the suite's.
    """

    recipe: RecipeRef = RecipeSpec()
    seeds: Seeds | None = None
    limit: LimitSpec | None = None
    grid: OneOrMore[Block] | None = None
    exclude: Items[Filter] = ()
    evaluate: AnyChoices | None = None
    resources: ResourcesSpec = ResourcesSpec()


class SuiteFile(Model):
    """A suite file; `Attributes` are its keys.

    Attributes:
        suite: Name; the folder of its results.
        title: One line for tables and lists.
        paper: Name of the file in `suites/published`.
        task: What is learned.
        recipe: How cells are trained.
        seeds: Seeds of every point of the grid.
        reason: Why there are no cells, where `grid` is empty.
        grid: Blocks of axes.
        limit: Images used of each split.
        exclude: Points that are left out; each a subset of axes.
        evaluate: Evaluations of a trained network.
        scales: Overrides of the scales.
        tables: Tables of the report.
        imports: Modules that register names of the user's own.
        time_limit: Longest run of a cell; not part of the result.
        resources: What a cell needs of a cluster; not part of the result.
        notes: What the paper does not say and was decided here; printed as footnotes.
    """

    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: str
    paper: str | None = None
    task: Literal["classification", "segmentation", "fitting"] = "classification"
    recipe: RecipeRef
    seeds: Seeds = (0,)
    reason: str | None = None
    grid: AnyBlocks
    limit: LimitSpec = LimitSpec()
    exclude: Items[Filter] = ()
    evaluate: AnyChoices = (ChoiceSpec(name="test"),)
    scales: dict[ScaleName, ScaleSpec] = Field(default_factory=dict)
    tables: Items[TableSpec] = ()
    imports: Items[Module] = ()
    time_limit: Duration | None = None
    resources: ResourcesSpec = ResourcesSpec()
    notes: Items[str] = ()

    @field_validator("grid")
    @classmethod
    def _is_empty_for_a_reason(
        cls, grid: tuple[Block, ...], info: ValidationInfo
    ) -> tuple[Block, ...]:
        reason = info.data.get("reason")
        if grid and reason is not None:
            message = "reason says why there are no cells; it goes with an empty grid alone"
            raise ValueError(message)
        return grid if reason else not_empty(grid)


def known_keys(loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that a mapping at a location of a suite file may have."""
    model: type[Model] = SuiteFile
    for part in loc:
        if part in model.model_fields:
            model = _model_within(model.model_fields[str(part)].annotation) or model
    return list(model.model_fields)


def _model_within(annotation: Any) -> type[Model] | None:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    found = (_model_within(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)
