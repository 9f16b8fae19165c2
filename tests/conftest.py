"""Fixtures that several folders of tests share."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kbench import registry
from kbench.cell import Cell, Choice, Limit
from kbench.errors import InterruptedCellError
from kbench.machine import Machine
from kbench.recipe import Recipe
from kbench.record import Measurement, Record, record_path, write_record

# Tests run in several processes: more threads than cores would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PLAIN_RECIPE = "summary: a few steps\nepochs: 2\nbatch_size: 64\nlr: 0.1\n"
PLAIN_SUITE = {
    "suite": "demo",
    "title": "Demonstration",
    "recipe": "plain",
    "grid": [{"dataset": "digits", "architecture": "resnet8_cifar", "operator": "conv"}],
}


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a suite, from its text or from keys over a plain one.

    `recipes/plain.yaml` lies beside it; a key with the value None is left out.
    """
    folder = tmp_path / "suites"
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes" / "plain.yaml").write_text(PLAIN_RECIPE)

    def write(text: str | None = None, **keys: object) -> Path:
        path = folder / "demo.yaml"
        value = {key: item for key, item in (PLAIN_SUITE | keys).items() if item is not None}
        path.write_text(json.dumps(value, indent=1) if text is None else text)
        return path

    return write


@pytest.fixture
def demo_cell() -> Callable[..., Cell]:
    """Return a function that makes a cell of the suite `demo`."""

    def make(seed: int = 0, **changes: object) -> Cell:
        given: dict[str, object] = {
            "suite": "demo",
            "scale": "full",
            "task": "classification",
            "dataset": Choice("digits"),
            "architecture": Choice("resnet8_cifar"),
            "operator": Choice("conv"),
            "recipe": Recipe(epochs=2, batch_size=64, lr=0.1),
            "recipe_label": "plain",
        }
        return Cell(seed=seed, **(given | changes))

    return make


@pytest.fixture
def finish(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the record of a cell under `tmp_path / "results"`."""

    def write(cell: Cell, **changes: object) -> Path:
        given: dict[str, object] = {
            "status": "ok",
            "metrics": {"top1": Measurement(97.5, "percent", "max")},
            "environment": {"host": "here"},
            "versions": {"training": 1, "operator": 1},
            "started": 100.0,
            "finished": 107.5,
        }
        path = record_path(tmp_path / "results", cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path.parent, Record(cell, **(given | changes)))
        return path

    return write


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that stands for the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kbench"


@pytest.fixture
def registries() -> Iterator[None]:
    """Forget after the test what it has registered."""
    found = [item for item in vars(registry).values() if isinstance(item, registry.Registry)]
    before = [dict(item._entries) for item in found]
    yield
    for item, entries in zip(found, before, strict=True):
        item._entries.clear()
        item._entries.update(entries)


@pytest.fixture
def small_cell(demo_cell: Callable[..., Cell]) -> Callable[..., Cell]:
    """Return a function that makes a cell of eight short steps; `recipe` changes keys of it."""

    def make(**changes: object) -> Cell:
        recipe = {"epochs": 2, "batch_size": 32, "lr": 0.1, "schedule": "cosine"}
        recipe |= changes.pop("recipe", {})
        given = {
            "architecture": Choice("resnet8_cifar", {"width": 4}),
            "recipe": Recipe(**recipe),
            "limit": Limit(100, 64),
        }
        return demo_cell(**(given | changes))

    return make


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return one thread of a CPU, without data."""
    return Machine(tmp_path / "data", environment={"host": "here"})


class StopAfter(threading.Event):
    """Asks for an end after a number of steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def is_set(self) -> bool:
        self.steps -= 1
        return self.steps < 0 or super().is_set()


@pytest.fixture
def stop_after() -> type[StopAfter]:
    """Return a class of events that are set after a number of steps."""
    return StopAfter


@pytest.fixture
def interrupt_cell() -> Callable[..., None]:
    """Return a function that runs a cell and stops it after a number of steps."""

    def interrupt(cell: Cell, folder: Path, machine: Machine, steps: int) -> None:
        from kbench.run_cell import run_cell

        with pytest.raises(InterruptedCellError, match=rf"{cell.id}: stopped after step \d+"):
            run_cell(cell, folder, machine, StopAfter(steps - 1))

    return interrupt
