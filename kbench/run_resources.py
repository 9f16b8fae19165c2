"""Which resources the cells of a plan get: command line, scale, block, suite, site file."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from kbench.cell import Cell
from kbench.errors import SuiteError
from kbench.executors.slurm_resources import Resources, resolve_resources
from kbench.expansion import Suite
from kbench.findings import explain
from kbench.plan import Plan
from kbench.resources_file import ResourcesSpec
from kbench.run_options import RunOptions
from kbench.site_file import read_site

NOTHING = ResourcesSpec()


def group_cells(
    plans: Iterable[Plan], cells: Sequence[Cell], options: RunOptions
) -> list[tuple[Resources, list[Cell]]]:
    """Return cells by their resources, equal ones together.

    Raises:
        SuiteError: If the site file or the command line is wrong.
        ExecutorError: If resources contradict each other.
    """
    given, site = parse_given(options.resources), read_site()
    suites = {plan.suite.file.suite: plan.suite for plan in plans}
    blocks: dict[tuple[str, str], dict[str, ResourcesSpec]] = {}
    known: dict[tuple[str, str, int], Resources] = {}
    groups: dict[Resources, list[Cell]] = defaultdict(list)
    for cell in cells:
        suite, place = suites[cell.suite], (cell.suite, cell.scale)
        if place not in blocks:
            blocks[place] = _find_blocks(suite, cell.scale)
        block = blocks[place].get(cell.id, NOTHING)
        key = (*place, id(block))
        if key not in known:
            own = suite.scale(cell.scale).resources
            found = resolve_resources([given, own, block, suite.file.resources, site])
            known[key] = replace(found, time_limit=options.time_limit_s or suite.file.time_limit)
        groups[known[key]].append(cell)
    return list(groups.items())


def _find_blocks(suite: Suite, scale: str) -> dict[str, ResourcesSpec]:
    """Return the resources of every cell's block, by its id; nothing if no block has any."""
    found: dict[str, ResourcesSpec] = {}
    if any(block.resources != NOTHING for _, block in suite.grid(scale)):
        for block, cell in suite.placed(scale):
            found.setdefault(cell.id, block.resources)
    return found


def parse_given(given: Mapping[str, object]) -> ResourcesSpec:
    """Return the resources that a command line gives.

    Raises:
        SuiteError: One line for each that is wrong.
    """
    try:
        return ResourcesSpec.model_validate(given)
    except ValidationError as error:
        texts = explain(error, lambda _: list(ResourcesSpec.model_fields)).values()
        raise SuiteError(f"command line: {text}" for text in texts) from error
