"""The shape of a suite file, as pydantic models.

This module knows the file alone: no registry, no disk, no torch. Shorthand (a name for
`{name: ...}`, a scalar for a list of one, `1/255` for a number) is expanded here and nowhere else.
"""

import re
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
)
from pydantic_core import CoreSchema, PydanticCustomError

T = TypeVar("T")
Items = Annotated[tuple[T, ...], Strict(strict=False)]
Scalar = bool | int | float | str | None
ScaleName = Literal["full", "small", "smoke"]

FRACTION = re.compile(r"^\d+/[1-9]\d*$")
DURATION = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
CLOCK = re.compile(r"^(\d+):(\d\d):(\d\d)$")


def as_list(value: object) -> object:
    """Return a list (a tuple, for a default) as it is and anything else as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def as_number(value: object) -> object:
    """Return a fraction such as `1/255` as a float and anything else as it is."""
    if isinstance(value, str) and FRACTION.match(value):
        numerator, denominator = value.split("/")
        return int(numerator) / int(denominator)
    return value


def as_choice(value: object) -> object:
    """Return a name, or a name with options, as `{name, label, options}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        return _refuse_shorthand(value)
    options = {key: item for key, item in value.items() if key not in ("name", "label")}
    named = {key: item for key, item in value.items() if key in ("name", "label")}
    return named | {"options": options}


def as_recipe(value: object) -> object:
    """Return a recipe's name, or overrides with or without one, as `{name, overrides}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        return _refuse_shorthand(value)
    overrides = {key: item for key, item in value.items() if key != "name"}
    named = {key: item for key, item in value.items() if key == "name"}
    return named | {"overrides": overrides}


def as_published(value: object) -> object:
    """Return the id of a published table, or a mapping onto one, as a mapping."""
    if isinstance(value, str):
        return {"table": value}
    return value if isinstance(value, dict) else _refuse_shorthand(value)


def _refuse_shorthand(value: object) -> object:
    """Return a default as it is; refuse what is neither a name nor a mapping."""
    if value is None or isinstance(value, Model):
        return value
    message = f"expected a name or a mapping, got {value!r}"
    raise ValueError(message)


def as_seconds(value: object) -> object:
    """Return `2h`, `90m`, `1h30m` or `02:00:00` as seconds and anything else as it is."""
    if not isinstance(value, str):
        return value
    match = CLOCK.match(value) or (DURATION.match(value) if value else None)
    if match is None:
        message = f"{value!r} is no duration; write 2h, 90m, 45s, 1h30m or 02:00:00"
        raise ValueError(message)
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    """Return a list that has items.

    Pydantic's own `min_length` would also complain of a list whose items are all wrong.
    """
    if not items:
        kind, message = "too_short", "an empty list; at least one is needed"
        raise PydanticCustomError(kind, message)
    return items


def all_differ(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Return seeds of which none is given twice."""
    if len(set(seeds)) < len(seeds):
        message = f"a seed is given twice: {list(seeds)}"
        raise ValueError(message)
    return seeds


class OrScalar:
    """Mark of a list whose JSON Schema also accepts a single item."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of the list or of one item."""
        found = handler(schema)
        return {"anyOf": [found["items"], {**found, "minItems": 1}]}


Value = Annotated[Scalar, BeforeValidator(as_number)]
OneOrMore = Annotated[Items[T], BeforeValidator(as_list), AfterValidator(not_empty), OrScalar()]
Duration = Annotated[
    int, BeforeValidator(as_seconds, json_schema_input_type=int | str), Field(gt=0)
]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[OneOrMore[Seed], AfterValidator(all_differ)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class Model(BaseModel):
    """Base of all models: strict, frozen, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )


class ChoiceSpec(Model):
    """A registered name; every list among its options is an axis.

    Attributes:
        name: Name in the registry.
        label: What tables call it.
        options: Values of each option.
    """

    name: str
    label: str | None = None
    options: dict[str, OneOrMore[Value]] = {}


class RecipeSpec(Model):
    """A recipe file's name, overrides of its keys, or both.

    Attributes:
        name: Name of a file in `suites/recipes`; None keeps the recipe that is overridden.
        overrides: Keys of the recipe; checked once the whole recipe is put together.
    """

    name: str | None = None
    overrides: dict[str, Any] = {}


Choices = OneOrMore[
    Annotated[ChoiceSpec, BeforeValidator(as_choice, json_schema_input_type=str | dict[str, Any])]
]
RecipeRef = Annotated[
    RecipeSpec, BeforeValidator(as_recipe, json_schema_input_type=str | dict[str, Any])
]
Filter = dict[str, OneOrMore[Value]]


class Block(Model):
    """Part of a grid: the product of its axes.

    Attributes:
        dataset: Axis of datasets.
        architecture: Axis of architectures.
        operator: Axis of operators.
        recipe: Axis of recipes, each over the suite's own.
    """

    dataset: Choices
    architecture: Choices
    operator: Choices
    recipe: OneOrMore[RecipeRef] = (RecipeSpec(),)


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
    """

    recipe: RecipeRef = RecipeSpec()
    seeds: Seeds | None = None
    limit: LimitSpec | None = None
    grid: OneOrMore[Block] | None = None
    exclude: Items[Filter] = ()
    evaluate: Choices | None = None


class PublishedSpec(Model):
    """Where the paper's own numbers of a table are.

    Attributes:
        table: Id of a table in `suites/published/<paper>.yaml`.
        rows: Label of our row to id of the published row; a label not given is its own id.
        columns: The same for columns.
    """

    table: str
    rows: dict[str, str] = {}
    columns: dict[str, str] = {}


class TableSpec(Model):
    """One table of a report.

    Attributes:
        id: Name of the table within the suite; part of file names and LaTeX macros.
        title: Caption; the suite's title if not given.
        rows: Axes of the rows, such as `dataset` or `operator.expansion`.
        columns: Axes of the columns, outermost first.
        metric: Metrics of a cell; several make the innermost level of columns.
        where: Only cells whose axes have these labels.
        published: The paper's numbers to print beside ours.
        tolerance: Largest difference to a published value that is still `close`, in its unit.
        notes: Footnotes: differences of protocol, gaps.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: str | None = None
    rows: OneOrMore[str]
    columns: OneOrMore[str]
    metric: OneOrMore[str]
    where: Filter = {}
    published: (
        Annotated[
            PublishedSpec,
            BeforeValidator(as_published, json_schema_input_type=str | dict[str, Any]),
        ]
        | None
    ) = None
    tolerance: Annotated[float, Field(ge=0)] | None = None
    notes: Items[str] = ()


class SuiteFile(Model):
    """A suite file; `Attributes` are its keys.

    Attributes:
        suite: Name; the folder of its results.
        title: One line for tables and lists.
        paper: Name of the file in `suites/published`.
        task: What is learned.
        recipe: How cells are trained.
        seeds: Seeds of every point of the grid.
        grid: Blocks of axes.
        limit: Images used of each split.
        exclude: Points that are left out; each a subset of axes.
        evaluate: Evaluations of a trained network.
        scales: Overrides of the scales.
        tables: Tables of the report.
        imports: Modules that register names of the user's own.
        time_limit: Longest run of a cell; not part of the result.
        notes: What the paper does not say and was decided here; printed as footnotes.
    """

    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: str
    paper: str | None = None
    task: Literal["classification"] = "classification"
    recipe: RecipeRef
    seeds: Seeds = (0,)
    grid: OneOrMore[Block]
    limit: LimitSpec = LimitSpec()
    exclude: Items[Filter] = ()
    evaluate: Choices = (ChoiceSpec(name="test"),)
    scales: dict[ScaleName, ScaleSpec] = {}
    tables: Items[TableSpec] = ()
    imports: Items[Module] = ()
    time_limit: Duration | None = None
    notes: Items[str] = ()


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
