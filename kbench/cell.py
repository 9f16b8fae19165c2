"""Cell: one point of a suite's grid x seed, with everything that defines its result."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from kbench.errors import RecordError
from kbench.recipe import Recipe, canonical_json

Scalar = bool | int | float | str | None
CHOICES = ("dataset", "architecture", "operator")
PLAIN: dict[str, type] = {
    "suite": str,
    "scale": str,
    "task": str,
    "seed": int,
    "recipe_label": str,
    "imports": list,
}


def as_text(value: Scalar) -> str:
    """Return a value as a suite file has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Choice:
    """A registered name with its options.

    Attributes:
        name: Name in the registry.
        options: Options that differ from the factory's defaults, and only these.
        label: What tables call it; changes no result.
    """

    name: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            parts = [f"{key}={as_text(value)}" for key, value in sorted(self.options.items())]
            object.__setattr__(self, "label", "-".join([self.name, *parts]))

    @cached_property
    def definition(self) -> dict[str, Any]:
        """Return name and options, without the label."""
        return {"name": self.name, "options": dict(sorted(self.options.items()))}

    @cached_property
    def key(self) -> tuple[str, tuple[tuple[str, Scalar], ...]]:
        """Return the definition as something that a dictionary can be looked up by."""
        return self.name, tuple(sorted(self.options.items()))

    @cached_property
    def canonical(self) -> str:
        """Return the definition as canonical JSON."""
        return canonical_json(self.definition)


@dataclass(frozen=True)
class Limit:
    """How many images of each split are used, the first ones; None for all."""

    train: int | None = None
    test: int | None = None

    @property
    def definition(self) -> dict[str, int]:
        """Return the numbers that are given."""
        given = {"train": self.train, "test": self.test}
        return {split: count for split, count in given.items() if count is not None}

    @cached_property
    def canonical(self) -> str:
        """Return the definition as canonical JSON."""
        return canonical_json(self.definition)


@dataclass(frozen=True)
class Cell:
    """Complete description of one training run; the only thing that crosses a process border.

    Attributes:
        suite: Name of the suite.
        scale: `full`, `small` or `smoke`.
        task: What is learned and how it is measured.
        dataset: Where images come from.
        architecture: Network family and depth.
        operator: Convolution put into the network.
        recipe: How it is trained.
        seed: Seed of initialisation, order and augmentation.
        recipe_label: What tables call the recipe; changes no result.
        limit: Images used of each split.
        evaluate: Evaluations of the trained network.
        imports: Modules that register names of the user's own.
    """

    suite: str
    scale: str
    task: str
    dataset: Choice
    architecture: Choice
    operator: Choice
    recipe: Recipe
    seed: int
    recipe_label: str = ""
    limit: Limit = Limit()
    evaluate: tuple[Choice, ...] = (Choice("test"),)
    imports: tuple[str, ...] = ()

    @property
    def definition(self) -> dict[str, Any]:
        """Return what defines the result: the input of the id's hash."""
        return {
            "task": self.task,
            "scale": self.scale,
            "dataset": self.dataset.definition,
            "architecture": self.architecture.definition,
            "operator": self.operator.definition,
            "recipe": self.recipe.changed,
            "limit": self.limit.definition,
            "seed": self.seed,
        }

    @property
    def canonical(self) -> str:
        """Return the definition as canonical JSON, put together of what many cells share."""
        return (
            f'{{"architecture":{self.architecture.canonical},"dataset":{self.dataset.canonical},'
            f'"limit":{self.limit.canonical},"operator":{self.operator.canonical},'
            f'"recipe":{self.recipe.canonical},"scale":{json.dumps(self.scale)},'
            f'"seed":{self.seed:d},"task":{json.dumps(self.task)}}}'
        )

    @cached_property
    def id(self) -> str:
        """Return the readable slug and the first 8 hex digits of the definition's SHA-256."""
        digest = hashlib.sha256(self.canonical.encode()).hexdigest()[:8]
        names = (self.dataset.name, self.architecture.name, self.operator.name)
        return "-".join([*names, f"s{self.seed}", digest])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Cell":
        """Return the cell that `to_json` wrote.

        Raises:
            RecordError: If keys are missing or unknown, as in a file of another version.
        """
        known = {f.name for f in fields(cls)}
        given = set(value) if isinstance(value, dict) else set()
        if given != known:
            difference = sorted(known ^ given)
            message = f"cell has other keys than this version of kbench writes: {difference}"
            raise RecordError(message)
        wrong = [key for key, kind in PLAIN.items() if not isinstance(value[key], kind)]
        if wrong:
            message = f"cell is not what this version of kbench writes: {', '.join(wrong)}"
            raise RecordError(message)
        plain = {key: value[key] for key in PLAIN}
        try:
            parts = {key: _read_choice(value[key]) for key in CHOICES}
            return cls(
                recipe=Recipe.from_json(value["recipe"]),
                limit=Limit(**value["limit"]),
                evaluate=tuple(_read_choice(item) for item in value["evaluate"]),
                **{**plain, **parts, "imports": tuple(value["imports"])},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"cell is not what this version of kbench writes: {error}"
            raise RecordError(message) from error


def _read_choice(value: Mapping[str, Any]) -> Choice:
    kinds = {"name": str, "label": str, "options": dict}
    wrong = [key for key, kind in kinds.items() if not isinstance(value[key], kind)]
    if wrong:
        message = f"{', '.join(wrong)} of {value!r}"
        raise TypeError(message)
    return Choice(**value)


def read_manifest(path: Path, wanted: range | None = None) -> list[Cell]:
    """Return the cells of a JSONL manifest, one a line.

    Args:
        path: The manifest.
        wanted: Lines to read, counted from 0; None for all.

    Raises:
        RecordError: If the file cannot be read, or a line is not there, or not a cell of this
            version.
    """
    cells: list[Cell] = []
    number = 0
    try:
        with path.open() as file:
            for number, line in enumerate(file, 1):
                if wanted is None or number - 1 in wanted:
                    cells.append(_read_cell(line, f"{path}:{number}"))
                if wanted is not None and len(cells) == len(wanted):
                    return cells
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {getattr(error, 'strerror', error)}"
        raise RecordError(message) from error
    if wanted is not None:
        message = f"{path}: no line {wanted[-1]}; the manifest has {number}, counted from 0"
        raise RecordError(message)
    return cells


def _read_cell(line: str, where: str) -> Cell:
    try:
        return Cell.from_json(json.loads(line))
    except (ValueError, RecordError) as error:
        message = f"{where}: {error}"
        raise RecordError(message) from error
