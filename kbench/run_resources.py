"""Which resources the cells of a plan get: command line, scale, suite, site file."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from kbench.cell import Cell
from kbench.errors import SuiteError
from kbench.executors.slurm_resources import Resources, resolve_resources
from kbench.findings import explain
from kbench.plan import Plan
from kbench.resources_file import ResourcesSpec
from kbench.run_options import RunOptions
from kbench.site_file import read_site


def group_cells(
    plans: Iterable[Plan], cells: Sequence[Cell], options: RunOptions
) -> list[tuple[Resources, list[Cell]]]:
    """Return cells by their resources, equal ones together.

    Raises:
        SuiteError: If the site file or the command line is wrong.
        ExecutorError: If resources contradict each other.
    """
    given, site = parse_given(options.resources), read_site()
    known = {}
    for plan in plans:
        for scale in {item.cell.scale for item in plan.cells}:
            file, own = plan.suite.file, plan.suite.scale(scale).resources
            found = resolve_resources([given, own, file.resources, site])
            limit = options.time_limit_s or file.time_limit
            known[file.suite, scale] = replace(found, time_limit=limit)
    groups: dict[Resources, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[known[cell.suite, cell.scale]].append(cell)
    return list(groups.items())


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
