"""The command `check`: are suites right, before anything runs."""

from collections.abc import Sequence
from pathlib import Path

from kbench.cell import Cell
from kbench.cost import Cost
from kbench.expansion import Suite
from kbench.formats import format_count, format_table
from kbench.plan import find_costs, network_of
from kbench.suite import load_suite


def check_suites(paths: Sequence[Path], *, verbose: bool) -> str:
    """Load suites, expand every scale and build every distinct network without memory.

    Args:
        paths: Suite files.
        verbose: Whether every network has a line.

    Raises:
        SuiteError: If anything is wrong.
    """
    return "\n".join(_check(load_suite(path), verbose=verbose) for path in paths)


def _check(suite: Suite, *, verbose: bool) -> str:
    lines = []
    networks: dict[object, Cell] = {}
    for scale in suite.scales:
        cells = suite.cells(scale)
        networks |= {network_of(cell): cell for cell in cells}
        lines.append(f"{suite.path}: scale {scale}: {len(cells)} cells")
    costs = find_costs(suite, networks.values())
    invalid = sum(isinstance(cost, str) for cost in costs.values())
    lines.append(f"{suite.path}: {len(costs)} networks, {invalid} of them invalid")
    if verbose:
        rows = [_row(cell, costs[key]) for key, cell in networks.items()]
        headers = ("dataset", "architecture", "operator", "params", "learnable", "MACs")
        lines.append(format_table(headers, rows))
    return "\n".join(lines)


def _row(cell: Cell, cost: Cost | str | None) -> tuple[str, ...]:
    names = (cell.dataset.label, cell.architecture.label, cell.operator.label)
    if not isinstance(cost, Cost):
        return (*names, f"invalid: {cost}", "", "")
    numbers = (f"{cost.num_params:,}", f"{cost.num_learnable_params:,}", format_count(cost.macs))
    return (*names, *numbers)
