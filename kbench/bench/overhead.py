"""What kbench costs besides training: start-up, planning, processes; each next to a peer."""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kbench.cell import Cell
from kbench.executors.local import LocalExecutor, LocalSettings
from kbench.expansion import Suite
from kbench.machine import Machine, data_root
from kbench.record import TRAINING_VERSION, Record, measure, record_path, write_record
from kbench.suite import load_suite

REPETITIONS = 5
NUM_CELLS = 20
NUM_FINISHED = 1_000
NUM_PLANNED = 10_000
SUITE = """\
suite: bench-overhead
title: Cells without work
recipe: bench
seeds: [{seeds}]
grid:
  - {{dataset: digits, architecture: {{name: resnet8_cifar, width: 1}}, operator: conv}}
limit: {{train: 64, test: 64}}
"""
RECIPE = "{epochs: 1, batch_size: 64, lr: 0.1}\n"


@dataclass(frozen=True)
class Overhead:
    """One thing that costs time.

    Attributes:
        what: What was timed.
        seconds: Median over repetitions; for cells, their mean.
        peer: What does the same job without kbench.
        peer_seconds: What the peer took; None without one.
        n: Repetitions, or cells.
    """

    what: str
    seconds: float
    peer: str
    peer_seconds: float | None
    n: int


def bench_overhead() -> list[Overhead]:
    """Measure everything, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipes").mkdir()
        (folder / "recipes" / "bench.yaml").write_text(RECIPE)
        return [
            bench_start(),
            bench_no_op(folder),
            bench_plan(folder),
            bench_cells(folder),
        ]


def bench_start() -> Overhead:
    """Time `kbench --help` next to the import of click."""
    program = [sys.executable, "-c", "from kbench.cli import main; main()", "--help"]
    peer = [sys.executable, "-c", "import click"]
    return Overhead(
        "kbench --help", _median(program), "python -c 'import click'", _median(peer), REPETITIONS
    )


def bench_no_op(folder: Path) -> Overhead:
    """Time `kbench run` of finished cells next to reading their records as JSON."""
    suite = _write_suite(folder, NUM_FINISHED)
    results = folder / "finished"
    paths = [_finish(results, cell) for cell in suite.cells()]
    command = _command("run", suite.path, results)
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own program
    begun = time.perf_counter()
    for path in paths:
        json.loads(path.read_bytes())
    peer_seconds = time.perf_counter() - begun
    what = f"kbench run, {NUM_FINISHED:,} finished cells"
    return Overhead(what, _median(command), "json.loads of each", peer_seconds, REPETITIONS)


def bench_plan(folder: Path) -> Overhead:
    """Time `kbench plan` of many cells next to hashing as many definitions."""
    suite = _write_suite(folder, NUM_PLANNED)
    command = _command("plan", suite.path, folder / "none")
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own program
    cells = suite.cells()
    begun = time.perf_counter()
    for cell in cells:
        hash(json.dumps(cell.definition, sort_keys=True))
    peer_seconds = time.perf_counter() - begun
    what = f"kbench plan, {NUM_PLANNED:,} cells"
    return Overhead(what, _median(command), "json.dumps of each", peer_seconds, REPETITIONS)


def bench_cells(folder: Path) -> Overhead:
    """Time what a cell costs besides its own work, next to a fresh process that imports torch."""
    cells = _write_suite(folder, NUM_CELLS + 1).cells()
    settings = LocalSettings(Machine(data_root()))
    executor = LocalExecutor(folder / "cells", settings, threading.Event())
    list(executor.run(cells[:1]))
    begun = time.perf_counter()
    records = [event.record for event in executor.run(cells[1:]) if event.record]
    wall_s = time.perf_counter() - begun
    work_s = sum(record.metrics["wall_s"].value for record in records)
    peer = [sys.executable, "-c", "import torch"]
    return Overhead(
        "a cell besides its work",
        (wall_s - work_s) / NUM_CELLS,
        "python -c 'import torch'",
        _median(peer),
        NUM_CELLS,
    )


def _median(command: list[str]) -> float:
    return statistics.median(_time(command) for _ in range(REPETITIONS))


def _time(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own programs
    return time.perf_counter() - begun


def _command(name: str, suite: Path, results: Path) -> list[str]:
    code = "from kbench.cli import main; main()"
    return [sys.executable, "-c", code, name, str(suite), "--results", str(results)]


def _write_suite(folder: Path, count: int) -> Suite:
    path = folder / f"suite-{count}.yaml"
    path.write_text(SUITE.format(seeds=", ".join(map(str, range(count)))))
    return load_suite(path)


def _finish(results: Path, cell: Cell) -> Path:
    """Write a record as a finished cell leaves it; return where."""
    path = record_path(results, cell)
    path.parent.mkdir(parents=True)
    versions = {"training": TRAINING_VERSION, "operator": 1}
    write_record(
        path.parent, Record(cell, "ok", metrics=measure({"top1": 50.0}), versions=versions)
    )
    return path
