"""Expansion of a suite file into cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import attrgetter
from pathlib import Path

from pydantic import ValidationError

from kbench.catalogue import find_entry
from kbench.cell import Cell, Choice, Limit, Scalar, as_text
from kbench.errors import SuiteError
from kbench.file_model import Filter
from kbench.findings import Findings, Loc, explain
from kbench.recipe_file import RecipeReader, RecipeUse
from kbench.suite_file import Block, ChoiceSpec, ScaleSpec, SuiteFile, known_keys
from kbench.yaml_file import Document, read_yaml

REGISTERED = ("dataset", "architecture", "operator")
AXES = (*REGISTERED, "recipe")


@dataclass(frozen=True)
class Suite:
    """A suite file of the right shape; `load_suite` also checks what it means.

    Attributes:
        document: The file as it was read, with its lines.
        file: Its content.
        recipes: Reader of the recipes that it names.
    """

    document: Document
    file: SuiteFile
    recipes: RecipeReader

    @property
    def path(self) -> Path:
        """Return the suite's file."""
        return self.document.path

    @property
    def scales(self) -> tuple[str, ...]:
        """Return the scales that cells can be asked for; `full` is always one."""
        return ("full", *(name for name in self.file.scales if name != "full"))

    def cells(self, scale: str = "full") -> list[Cell]:
        """Return every cell of a scale, in the order of the file; a cell given twice once.

        Raises:
            SuiteError: If the suite has no such scale.
        """
        rules = self.exclusions(scale)
        cells: dict[str, Cell] = {}
        for cell in self.points(scale):
            if not any(matches(cell, rule) for rule in rules):
                cells.setdefault(cell.id, cell)
        return list(cells.values())

    def exclusions(self, scale: str) -> tuple[Filter, ...]:
        """Return the points that a scale leaves out."""
        return (*self.file.exclude, *self.scale(scale).exclude)

    def scale(self, name: str) -> ScaleSpec:
        """Return what a scale overrides.

        Raises:
            SuiteError: If the suite has no such scale.
        """
        if name not in self.scales:
            message = f"{self.path}:1: no scale {name!r}; the suite has {', '.join(self.scales)}"
            raise SuiteError([message])
        found = [spec for key, spec in self.file.scales.items() if key == name]
        return found[0] if found else ScaleSpec()

    def points(self, scale: str) -> Iterator[Cell]:
        """Yield the cells of a scale before exclusion."""
        return (cell for _, cell in self.placed(scale))

    def placed(self, scale: str) -> Iterator[tuple[Block, Cell]]:
        """Yield the cells of a scale before exclusion, each with the block that it is of."""
        spec = self.scale(scale)
        limit = spec.limit or self.file.limit
        evaluations = self.file.evaluate if spec.evaluate is None else spec.evaluate
        make_cell = partial(
            Cell,
            suite=self.file.suite,
            scale=scale,
            task=self.file.task,
            limit=Limit(limit.train, limit.test),
            evaluate=tuple(c for item in evaluations for c in expand("evaluation", item)),
            imports=self.file.imports,
        )
        for block, uses in self.blocks(scale):
            datasets, architectures, operators = (
                [choice for item in getattr(block, kind) for choice in expand(kind, item)]
                for kind in REGISTERED
            )
            recipes = [self.recipes.resolve(use) for use in uses]
            for dataset, architecture, operator, (label, recipe), seed in product(
                datasets, architectures, operators, recipes, spec.seeds or self.file.seeds
            ):
                cell = make_cell(
                    dataset=dataset,
                    architecture=architecture,
                    operator=operator,
                    recipe=recipe,
                    recipe_label=label,
                    seed=seed,
                )
                yield block, cell

    def blocks(self, scale: str) -> Iterator[tuple[Block, list[list[RecipeUse]]]]:
        """Yield every block of a scale with the overrides that each of its recipes consists of."""
        suite_use = RecipeUse(self.file.recipe, self.document, ("recipe",))
        override = self.scale(scale).recipe
        scale_use = RecipeUse(override, self.document, ("scales", scale, "recipe"))
        for loc, block in self.grid(scale):
            block_uses = [
                RecipeUse(ref, self.document, (*loc, "recipe", i))
                for i, ref in enumerate(block.recipe)
            ]
            yield block, [[suite_use, use, scale_use] for use in block_uses]

    def grid(self, scale: str) -> Iterator[tuple[Loc, Block]]:
        """Yield every block of a scale with its place in the file."""
        own = self.scale(scale).grid
        prefix: Loc = ("scales", scale, "grid") if own else ("grid",)
        for index, block in enumerate(own or self.file.grid):
            yield (*prefix, index), block

    def where(self, cell: Cell) -> str:
        """Return `path:line` of the operator of one of the suite's cells."""
        places = [
            (*loc, "operator", index)
            for loc, block in self.grid(cell.scale)
            for index, spec in enumerate(block.operator)
            if cell.operator in expand("operator", spec)
        ]
        return self.document.where(places[0])


def read_suite(path: Path) -> Suite:
    """Read a suite file and check its shape, not yet what it means.

    Raises:
        SuiteError: One finding for each thing that is wrong, with file and line.
    """
    document = read_yaml(path)
    try:
        file = SuiteFile.model_validate(document.value)
    except ValidationError as error:
        findings = Findings()
        for loc, text in explain(error, known_keys).items():
            findings.add(document, loc, text)
        findings.stop()
        raise
    return Suite(document, file, RecipeReader(path))


def expand(kind: str, spec: ChoiceSpec) -> list[Choice]:
    """Return one choice for every combination of a name's options.

    Options equal to the factory's default are left out, so that writing a default down makes no
    other cell.
    """
    known = find_entry(kind, spec.name).options
    varying = [key for key, values in spec.options.items() if len(values) > 1]
    choices = []
    for values in product(*spec.options.values()):
        given = {
            key: known[key].accept(value) for key, value in zip(spec.options, values, strict=True)
        }
        options = {key: value for key, value in given.items() if not known[key].is_default(value)}
        named = [f"{key}={as_text(given[key])}" for key in varying]
        label = "-".join([spec.label, *named]) if spec.label else ""
        choices.append(Choice(spec.name, options, label))
    return choices


def axis_values(cell: Cell, axis: str) -> tuple[Scalar, ...]:
    """Return what a filter or an exclusion may call the cell's value on an axis.

    Args:
        cell: The cell.
        axis: `dataset`, `architecture`, `operator`, `recipe`, `seed`, or one of these and an
            option, as in `operator.expansion` or `recipe.lr`.

    Returns:
        Label and name of a choice, or one value; nothing where the choice has no such option.
    """
    if axis == "seed":
        return (cell.seed,)
    kind, _, option = axis.partition(".")
    if kind == "recipe":
        return (attrgetter(option)(cell.recipe) if option else cell.recipe_label,)
    choice: Choice = getattr(cell, kind)
    if not option:
        return (choice.label, choice.name)
    entry = find_entry(kind, choice.name).options.get(option)
    return () if entry is None else (choice.options.get(option, entry.default),)


def matches(cell: Cell, rule: Filter) -> bool:
    """Return whether the cell has one of the given values on every axis of the rule."""
    return all(
        any(value in axis_values(cell, axis) for value in values) for axis, values in rule.items()
    )
