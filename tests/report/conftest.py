from collections.abc import Mapping
from pathlib import Path

import pytest

from kbench.cell import Cell, Choice, Limit
from kbench.recipe import Recipe
from kbench.record import Measurement, Record, record_path, write_record
from kbench.suite_file import SuiteFile

RECIPE = Recipe(epochs=75, batch_size=256, lr=0.1)
BLOCK = {"dataset": "digits", "architecture": "resnet20_cifar", "operator": "conv"}


@pytest.fixture
def make_cell():
    """Return a function that makes a cell of the suite `demo`."""

    def make(dataset="digits", operator="conv", seed=0, **changes):
        parts = {"dataset": dataset, "architecture": "resnet20_cifar", "operator": operator}
        choices = {
            kind: part if isinstance(part, Choice) else Choice(part) for kind, part in parts.items()
        }
        given = {"scale": "full", "recipe": RECIPE, "limit": Limit()} | changes
        return Cell(suite="demo", task="classification", seed=seed, **(choices | given))

    return make


@pytest.fixture
def make_suite():
    """Return a function that makes a suite file with one table."""

    def make(paper=None, notes=(), **table):
        given = {"id": "main", "rows": "dataset", "columns": "operator", "metric": "top1"} | table
        return SuiteFile.model_validate(
            {
                "suite": "demo",
                "title": "Demonstration",
                "recipe": "plain",
                "grid": [BLOCK],
                "paper": paper,
                "notes": list(notes),
                "tables": [given],
            }
        )

    return make


@pytest.fixture
def results(tmp_path) -> Path:
    """Return an empty results folder."""
    return tmp_path / "results"


@pytest.fixture
def write(results):
    """Return a function that writes the record of a cell."""

    def write(cell: Cell, metrics: Mapping[str, float] | float, status="ok", reason="") -> None:
        named = metrics if isinstance(metrics, Mapping) else {"top1": metrics}
        measured = {name: Measurement(value, "percent", "max") for name, value in named.items()}
        directory = record_path(results, cell).parent
        directory.mkdir(parents=True)
        write_record(directory, Record(cell, status, reason, measured if status == "ok" else {}))

    return write
