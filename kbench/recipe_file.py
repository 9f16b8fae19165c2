"""Recipe files, and the recipe that results from a file and its overrides."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kbench.errors import SuiteError, unknown
from kbench.findings import Findings, Loc, explain
from kbench.recipe import PARTS, Recipe
from kbench.suite_file import RecipeSpec
from kbench.yaml_file import Document, read_yaml

ADAPTER = TypeAdapter(Recipe)
RECIPES = "recipes"
SUITES = Path("suites")
LEVELS = 4


def search_folders(suite_path: Path) -> list[Path]:
    """Return the folders whose recipes and published numbers a suite may name, the nearest first.

    That of the suite, three above it, and `suites` in the current folder, for a suite elsewhere.
    """
    here, folder = Path.cwd(), suite_path.resolve().parent
    above = (folder, *folder.parents)[:LEVELS]
    found = [path.relative_to(here) if path.is_relative_to(here) else path for path in above]
    return [*found, SUITES]


@dataclass(frozen=True)
class RecipeUse:
    """A recipe's name or overrides, and where they stand."""

    spec: RecipeSpec
    document: Document
    loc: Loc


class RecipeReader:
    """Recipes of the folders `recipes` beside a suite file and above it, or else in `suites` here.

    Args:
        suite_path: The suite file.
    """

    def __init__(self, suite_path: Path) -> None:
        *above, last = (parent / RECIPES for parent in search_folders(suite_path))
        found = [folder for folder in above if folder.is_dir()]
        self._folders = found or [last]
        self._documents: dict[str, Document] = {}

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Return the recipe files by name; the nearest folder wins."""
        files = [path for folder in reversed(self._folders) for path in folder.glob("*.yaml")]
        return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}

    def resolve(self, uses: Sequence[RecipeUse]) -> tuple[str, Recipe]:
        """Return the label and the recipe of overrides laid over each other, the last on top.

        A use that names a file starts afresh from that file.

        Raises:
            SuiteError: For unknown names, unknown or missing keys, and values that are not allowed.
        """
        merged: dict[str, Any] = {}
        origin: dict[Loc, tuple[Document, Loc]] = {}
        label = ""
        for use in uses:
            if use.spec.name is not None:
                document = self._read(use)
                label, origin = use.spec.name, {}
                merged = _lay({}, document.value, origin, (document, ()))
            merged = _lay(merged, use.spec.overrides, origin, (use.document, use.loc))
        return label, _validate(merged, origin, uses)

    def _read(self, use: RecipeUse) -> Document:
        name = str(use.spec.name)
        if name not in self._documents:
            if name not in self.paths:
                findings = Findings()
                text = unknown("recipe", name, self.paths)
                if not self.paths:
                    text = f"no recipe {name!r}: no folder {RECIPES!r} beside, above or in 'suites'"
                findings.add(use.document, (*use.loc, "name"), text)
                findings.stop()
            document = read_yaml(self.paths[name])
            if not isinstance(document.value, dict):
                message = f"{document.path}:1: a recipe is a mapping of keys to values"
                raise SuiteError([message])
            self._documents[name] = document
        return self._documents[name]


def _lay(
    below: Mapping[str, Any],
    above: Mapping[str, Any],
    origin: dict[Loc, tuple[Document, Loc]],
    source: tuple[Document, Loc],
) -> dict[str, Any]:
    """Return `above` over `below`, mappings merged, and note where each key came from."""
    merged = dict(below)
    document, loc = source
    for key, value in above.items():
        if key == "summary":
            continue
        origin[(key,)] = (document, (*loc, key))
        if isinstance(value, dict):
            origin |= {(key, inner): (document, (*loc, key, inner)) for inner in value}
            below_it = merged.get(key)
            merged[key] = {**below_it, **value} if isinstance(below_it, dict) else value
        else:
            merged[key] = value
    return merged


def _validate(
    merged: Mapping[str, Any],
    origin: Mapping[Loc, tuple[Document, Loc]],
    uses: Sequence[RecipeUse],
) -> Recipe:
    """Return the recipe.

    A missing key is reported at the bottom of the uses, what is wrong between keys at the top.
    """
    try:
        return ADAPTER.validate_json(json.dumps(merged))
    except ValidationError as error:
        findings = Findings()
        top = next((use for use in reversed(uses) if use.spec != RecipeSpec()), uses[0])
        for loc, text in explain(error, _known_keys).items():
            use = uses[0] if loc else top
            document, at = origin.get(loc[:2]) or origin.get(loc[:1]) or (use.document, use.loc)
            findings.add(document, (*at, *loc[1:]), f"recipe: {text}")
        findings.stop()
        raise


def _known_keys(loc: Loc) -> list[str]:
    return [f.name for f in fields(PARTS[str(loc[0])] if loc else Recipe)]
