"""What a run would do: every cell with its state, its cost and how long it will take."""

import importlib.util
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean
from typing import Any

from kbench.cell import Cell, as_text
from kbench.cost import Cost, find_cost, is_own
from kbench.errors import SuiteError, UnsupportedError
from kbench.expansion import AXES, Suite, axis_values
from kbench.extensions import FAULTS, describe_fault
from kbench.state import State, find_states
from kbench.suite import load_suite
from kbench.suite_axes import unknown_axis

BYTES_PER_PARAMETER = 4
HINT = "`kbench check --operator MODULE:CLASS` tries an operator alone"


@dataclass(frozen=True)
class PlannedCell:
    """A cell, what became of it, and what it costs.

    Attributes:
        cell: The cell.
        state: What became of it.
        cost: Size and work of its network; None if torch is not installed or it cannot exist.
        estimate_s: How long it will take, from finished neighbours or a measurement; None without.
    """

    cell: Cell
    state: State
    cost: Cost | None
    estimate_s: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        cell = self.cell
        return {
            "id": cell.id,
            "suite": cell.suite,
            "scale": cell.scale,
            "dataset": cell.dataset.label,
            "architecture": cell.architecture.label,
            "operator": cell.operator.label,
            "recipe": cell.recipe_label,
            "seed": cell.seed,
            "state": self.state.kind,
            "reason": self.state.reason,
            **(asdict(self.cost) if self.cost else {}),
            "disk_mib": self.disk_mib,
            "estimate_s": self.estimate_s,
        }

    @property
    def disk_mib(self) -> float | None:
        """Return what the final weights take."""
        return None if self.cost is None else self.cost.num_params * BYTES_PER_PARAMETER / 2**20


@dataclass(frozen=True)
class Plan:
    """The planned cells of one suite at one scale."""

    suite: Suite
    cells: list[PlannedCell]

    @property
    def reason(self) -> str:
        """Return why the suite has no cells, or nothing."""
        file = self.suite.file
        return f"{file.suite}: no cells: {file.reason}" if file.reason and not self.cells else ""


def plan_suites(
    paths: Sequence[Path], scale: str, results: Path, only: Sequence[str] = ()
) -> list[Plan]:
    """Plan several suites.

    Raises:
        SuiteError: As `plan_suite`, and if filters leave no cell of all that there are.
    """
    plans = [plan_suite(path, scale, results, only) for path in paths]
    if only and not any(plan.cells for plan in plans) and any(p.suite.cells(scale) for p in plans):
        shown = " ".join(f"--only {rule!r}" for rule in only)
        raise SuiteError([f"{shown}: no cell of scale {scale!r} matches"])
    return plans


def plan_suite(path: Path, scale: str, results: Path, only: Sequence[str] = ()) -> Plan:
    """Load a suite and plan the cells of a scale that match all filters.

    Raises:
        SuiteError: If the suite is wrong, or a filter is not KEY=GLOB with a known axis.
    """
    suite = load_suite(path)
    rules = [parse_filter(suite, rule) for rule in only]
    cells = [cell for cell in suite.cells(scale) if matches_all(cell, rules)]
    return Plan(suite, make_plan(suite, cells, results))


def parse_filter(suite: Suite, rule: str) -> tuple[str, str]:
    """Return axis and pattern of a filter of the form KEY=GLOB.

    Raises:
        SuiteError: If there is no `=`, or the suite has no such axis.
    """
    axis, separator, pattern = rule.partition("=")
    known = (*AXES, "seed")
    problem = unknown_axis(suite, axis, known)
    if not separator:
        problem = f"write KEY=GLOB with KEY one of {', '.join(known)}, KIND.OPTION"
    if problem:
        raise SuiteError([f"--only {rule!r}: {problem}"])
    return axis, pattern


def matches_all(cell: Cell, rules: Iterable[tuple[str, str]]) -> bool:
    """Return whether a cell's value on every axis of the rules matches the axis's pattern."""
    return all(
        any(fnmatchcase(as_text(value), pattern) for value in axis_values(cell, axis))
        for axis, pattern in rules
    )


def make_plan(suite: Suite, cells: Sequence[Cell], results: Path) -> list[PlannedCell]:
    """Return the plan of a suite's cells, in their order.

    Raises:
        SuiteError: If an operator or a network does not take the arguments that a cell gives it.
    """
    states = find_states(results, cells)
    costs = find_costs(suite, cells)
    estimates = estimate_times(cells, states, costs)
    planned = []
    for cell, state, estimate_s in zip(cells, states, estimates, strict=True):
        cost = costs[network_of(cell)]
        if isinstance(cost, str):
            planned.append(PlannedCell(cell, State("invalid", cost), None, None))
        else:
            planned.append(PlannedCell(cell, state, cost, estimate_s))
    return planned


def find_costs(suite: Suite, cells: Iterable[Cell]) -> dict[Hashable, Cost | str | None]:
    """Return the cost of every distinct network, or why it cannot exist.

    Raises:
        SuiteError: If an operator or a network does not take the arguments that a cell gives it.
    """
    has_torch = importlib.util.find_spec("torch") is not None
    costs: dict[Hashable, Cost | str | None] = {}
    findings = []
    for cell in cells:
        key = network_of(cell)
        if key in costs:
            continue
        costs[key] = None
        try:
            costs[key] = find_cost(cell) if has_torch else None
        except UnsupportedError as error:
            costs[key] = str(error)
        except FAULTS as error:
            if is_own(cell) and not isinstance(error, ValueError):
                raise
            text = str(error) if is_own(cell) else f"{describe_fault(error)}; {HINT}"
            names = f"{cell.architecture.label} with {cell.operator.label} on {cell.dataset.label}"
            findings.append(f"{suite.where(cell)}: {names}: {text}")
    if findings:
        raise SuiteError(findings)
    return costs


def estimate_times(
    cells: Sequence[Cell], states: Sequence[State], costs: Mapping[Hashable, Cost | str | None]
) -> list[float | None]:
    """Return how long each cell will take.

    The mean time of finished cells that differ in the seed only; without any, the time of all
    finished cells in proportion to multiply-accumulates x images x epochs.
    """
    exact: dict[Hashable, list[float]] = defaultdict(list)
    pace: list[float] = []
    for cell, state in zip(cells, states, strict=True):
        if state.wall_s is not None and state.kind in ("done", "stale"):
            exact[_but_seed(cell)].append(state.wall_s)
            work = _work(cell, costs[network_of(cell)])
            pace += [state.wall_s / work] if work else []
    means = {key: fmean(times) for key, times in exact.items()}
    mean_pace = fmean(pace) if pace else None
    return [_estimate(cell, means, mean_pace, costs[network_of(cell)]) for cell in cells]


def measure_times(planned: Iterable[PlannedCell], device: str) -> list[PlannedCell]:
    """Return the plan with a short measurement of training where there was no estimate yet."""
    from kbench.speed import measure_images_per_s

    speeds: dict[Hashable, float] = {}
    completed = []
    for item in planned:
        estimate_s, key = item.estimate_s, _but_seed(item.cell)
        if estimate_s is None and item.cost is not None:
            if key not in speeds:
                speeds[key] = measure_images_per_s(item.cell, device)
            estimate_s = trained_images(item.cell, item.cost) / speeds[key]
        completed.append(replace(item, estimate_s=estimate_s))
    return completed


def _estimate(
    cell: Cell,
    exact: Mapping[Hashable, float],
    pace: float | None,
    cost: Cost | str | None,
) -> float | None:
    neighbours = exact.get(_but_seed(cell))
    if neighbours is not None:
        return neighbours
    work = _work(cell, cost)
    return pace * work if pace is not None and work else None


def _work(cell: Cell, cost: Cost | str | None) -> float | None:
    """Return what a cell's time is taken to be in proportion to, apart from the images."""
    if not isinstance(cost, Cost):
        return None
    return float(cost.macs * trained_images(cell, cost))


def trained_images(cell: Cell, cost: Cost) -> int:
    """Return how many images a cell is trained on, each counted as often as it is shown."""
    recipe = cell.recipe
    images = (cell.limit.train or cost.train_images) - recipe.held_out
    if recipe.steps_per_epoch:
        images = recipe.batch_size * recipe.steps_per_epoch
    return images * (recipe.epochs + (recipe.finetune.epochs if recipe.finetune else 0))


def network_of(cell: Cell) -> tuple[Hashable, ...]:
    """Return what distinguishes the networks of a plan."""
    choices = (cell.architecture, cell.operator, cell.dataset)
    return (*(choice.key for choice in choices), cell.recipe.augmentation.final_size)


def _but_seed(cell: Cell) -> Hashable:
    return (*network_of(cell), id(cell.recipe), cell.limit, cell.scale)
