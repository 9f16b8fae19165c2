from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from kbench.catalogue import find_entry
from kbench.cell import Cell, Choice, Limit
from kbench.recipe import Recipe
from kbench.record import TRAINING_VERSION, Measurement, Record, record_path, write_record
from kbench.report.build import build_tables
from kbench.report.outcome import read_outcomes
from kbench.report.published import Published
from kbench.report.table import Table
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

    def make(paper=None, suite_notes=(), **table):
        given = {"id": "main", "rows": "dataset", "columns": "operator", "metric": "top1"} | table
        return SuiteFile.model_validate(
            {
                "suite": "demo",
                "title": "Demonstration",
                "recipe": "plain",
                "grid": [BLOCK],
                "paper": paper,
                "notes": list(suite_notes),
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
        versions = {
            "training": TRAINING_VERSION,
            "operator": find_entry("operator", cell.operator.name).version,
        }
        metrics = measured if status == "ok" else {}
        write_record(directory, Record(cell, status, reason, metrics, versions=versions))

    return write


@pytest.fixture
def published() -> Published:
    """Return published numbers: five runs, no spread; a difference; a number of unknown value."""
    cells = [
        {"row": "digits", "column": "baseline", "value": 91.5, "std": 0.5, "n": 3},
        {"row": "digits", "column": "lc", "value": 93.0},
        {"row": "tiny_1%", "column": "baseline", "value": 98.0, "std": 0.1, "n": 3},
        {"row": "tiny_1%", "column": "lc", "value": None, "evidence": "unknown", "note": "no run"},
        {"row": "svhn", "column": "baseline", "value": 60.0},
        {"row": "svhn", "column": "lc", "value": 61.2, "evidence": "figure"},
        {"row": "digits", "column": "gain", "value": 2.0, "kind": "delta", "unit": "points"},
    ]
    table = {
        "id": "table1",
        "source": "Table 1 (journal)",
        "title": "T",
        "metric": "top1",
        "unit": "percent",
        "higher_is_better": True,
        "protocol": {"runs": 5, "spread": "sample_std", "selection": "best_test"},
        "note": "errors are not defined",
        "rows": [{"id": name, "label": name} for name in ("digits", "tiny_1%", "svhn")],
        "columns": [{"id": name, "label": name} for name in ("baseline", "lc", "gain")],
        "cells": [{"evidence": "table"} | cell for cell in cells],
    }
    citation = {"title": "T", "authors": ["A"], "venue": "V", "year": 2024}
    unknown = dict.fromkeys(("arxiv", "doi", "code", "code_licence"))
    return Published.model_validate(
        {"paper": "demo", "citation": citation | unknown, "tables": [table]}
    )


# By hand: means 91, 280/3, 98.5, 98.2333, 50.1, 61.01; see test_build.py.
SEEDS = {
    ("digits", "conv"): (90.0, 91.0, 92.0),
    ("digits", "lc"): (92.0, 93.0, 95.0),
    ("tiny_1%", "conv"): (98.0, 98.5, 99.0),
    ("tiny_1%", "lc"): (97.0, 98.6, 99.1),
    ("svhn", "conv"): (50.0, 50.2, None),
    ("svhn", "lc"): (61.0, 61.02),
}


@pytest.fixture
def table(make_cell, make_suite, write, results, published) -> Table:
    """Return a table with everything: marks, verdicts, a difference, failed and missing seeds."""
    cells = []
    for (dataset, operator), values in SEEDS.items():
        choice = Choice("digits", {"name": dataset}, dataset)
        cells += [make_cell(choice, operator, seed) for seed in range(3)]
        for cell, value in zip(cells[-3:], values, strict=False):
            status = "diverged" if value is None else "ok"
            write(cell, value or 0.0, status, "loss is nan" if value is None else "")
    suite = make_suite(
        paper="demo",
        suite_notes=["images are 8 \N{MULTIPLICATION SIGN} 8 \N{MICRO SIGN}m & grey"],
        title="Table of 100 % synthetic #1 numbers",
        published={
            "table": "table1",
            "columns": {"conv": "baseline", "lc - conv": "gain"},
        },
        tolerance=0.5,
    )
    return build_tables(suite, read_outcomes(cells, results), published)[0]


@pytest.fixture
def plain_table(make_cell, make_suite, write, results) -> Table:
    """Return a table of grouped columns with two metrics and single seeds."""
    cells = []
    for number, (dataset, operator, batch_size) in enumerate(
        product(("digits", "svhn"), ("conv", "lc"), (64, 256))
    ):
        recipe = replace(RECIPE, batch_size=batch_size)
        cells.append(make_cell(dataset, operator, recipe=recipe))
        write(cells[-1], {"top1": 90.0 + number, "num_params": 272_474.0 + number})
    suite = make_suite(
        id="plain",
        rows=["architecture", "dataset"],
        columns=["recipe.batch_size", "operator"],
        metric=["top1", "num_params"],
    )
    return build_tables(suite, read_outcomes(cells, results))[0]
