"""Evaluations of a trained network; each yields pairs of metric and value.

A new evaluation is a function `(network: Evaluated, *, options) -> Iterator[tuple[str, float]]` in
a file of its own, registered in `EVALUATIONS`; its metrics stand in `kbench/metrics.py`.
"""

from kbench.cell import Choice
from kbench.evaluations import accuracy as accuracy
from kbench.evaluations import robustness as robustness
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS


def run_evaluation(choice: Choice, network: Evaluated) -> dict[str, float]:
    """Return the metrics of one evaluation."""
    return dict(EVALUATIONS[choice.name](network, **choice.options))
