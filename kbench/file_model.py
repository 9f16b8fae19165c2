"""What the models of suite files are made of: strict base, lists, numbers, durations, shorthand."""

import re
from typing import Annotated, Any, TypeVar

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


def refuse_shorthand(value: object) -> object:
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
    """Mark of a list whose JSON Schema also accepts a single item.

    Args:
        min_items: Fewest items of the list.
    """

    def __init__(self, min_items: int = 1) -> None:
        self._min_items = min_items

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of the list or of one item."""
        found = handler(schema)
        return {"anyOf": [found["items"], {**found, "minItems": self._min_items}]}


Value = Annotated[Scalar, BeforeValidator(as_number)]
OneOrMore = Annotated[Items[T], BeforeValidator(as_list), AfterValidator(not_empty), OrScalar()]
Duration = Annotated[
    int, BeforeValidator(as_seconds, json_schema_input_type=int | str), Field(gt=0)
]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[OneOrMore[Seed], AfterValidator(all_differ)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
Filter = dict[str, OneOrMore[Value]]


class Model(BaseModel):
    """Base of all models: strict, frozen, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )
