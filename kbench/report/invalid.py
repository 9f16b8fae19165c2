"""Cells that cannot exist, so that a table does not call them `not run`."""

from collections.abc import Sequence
from dataclasses import replace

from kbench.expansion import Suite
from kbench.plan import find_costs, network_of
from kbench.report.outcome import Outcome


def mark_invalid(suite: Suite, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes of which those that cannot exist say why.

    Networks are built only if a part of the suite has run, without memory, and once: what they
    cost is kept. Without torch nothing is known.

    Raises:
        SuiteError: If an operator or a network does not take the arguments that a cell gives it.
    """
    missing = [outcome.cell for outcome in outcomes if outcome.status == "missing"]
    if len(missing) in (0, len(outcomes)):
        return list(outcomes)
    costs = find_costs(suite, missing)
    marked = []
    for outcome in outcomes:
        cost = costs.get(network_of(outcome.cell)) if outcome.status == "missing" else None
        is_invalid = isinstance(cost, str)
        marked.append(
            replace(outcome, status="invalid", reason=str(cost)) if is_invalid else outcome
        )
    return marked
