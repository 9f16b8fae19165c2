"""Evaluations by name."""

from kbench.cell import Choice
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS


def run_evaluation(choice: Choice, network: Evaluated) -> dict[str, float]:
    """Return the metrics of one evaluation."""
    return dict(EVALUATIONS[choice.name](network, **choice.options))


def is_periodic(choice: Choice) -> bool:
    """Return whether an evaluation also runs after every evaluated epoch."""
    return getattr(EVALUATIONS[choice.name], "every_epoch", False)
