"""Whose weights are the result: those of the last epoch, or of the best one so far."""

import copy
from typing import Any

from torch import nn

from kbench.metrics import METRICS
from kbench.recipe import Recipe

Line = dict[str, float]


class Selection:
    """Remembers the best epoch of a phase of training.

    Of two epochs of equal value the one with the smaller loss is better, then the earlier one.

    Args:
        recipe: Says which split decides, and how long to wait for an improvement.
        metric: The metric that decides; larger is better.

    Attributes:
        line: What was measured in the best epoch; None before the first evaluation.
        waited: Evaluations since then.
    """

    def __init__(self, recipe: Recipe, metric: str) -> None:
        self.recipe, self.metric = recipe, metric
        self.watched = f"val_{metric}" if recipe.keep == "best_val" else metric
        self.line: Line | None = None
        self.waited = 0
        self._weights: dict[str, Any] | None = None

    def note(self, line: Line, model: nn.Module) -> None:
        """Take the evaluation of an epoch into account; copy its weights if it is the best."""
        if self.watched not in line:
            return
        self.waited += 1
        if (
            self.recipe.keep == "last"
            or self.line is None
            or _rank(line, self.watched) > _rank(self.line, self.watched)
        ):
            self.line, self.waited = line, 0
            if self.recipe.keep != "last":
                self._weights = copy.deepcopy(model.state_dict())

    @property
    def is_exhausted(self) -> bool:
        """Return whether training has waited long enough for an improvement."""
        patience = self.recipe.patience_epochs
        return patience is not None and self.waited >= patience

    def best_metrics(self, lines: list[Line]) -> Line:
        """Return the best test values of a history, and those of the best epoch of each split."""
        tested = [line for line in lines if self.metric in line]
        if not tested:
            return {}
        best = {
            f"{name}_best": (min if METRICS[name].direction == "min" else max)(
                line[name] for line in tested
            )
            for name in tested[-1]
            if f"{name}_best" in METRICS
        }
        best |= _beside(max(tested, key=lambda line: _rank(line, self.metric)))
        validated = [line for line in tested if f"val_{self.metric}" in line]
        if validated:
            chosen = max(validated, key=lambda line: _rank(line, f"val_{self.metric}"))
            best[f"{self.metric}_at_best_val"] = chosen[self.metric]
        return best

    def restore(self, model: nn.Module) -> None:
        """Give a network the weights of the best epoch; it has those of the last one already."""
        if self._weights is not None:
            model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"line": self.line, "waited": self.waited, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` left off."""
        self.line, self.waited, self._weights = state["line"], state["waited"], state["weights"]


def _beside(line: Line) -> Line:
    """Return what is reported of the best epoch beside the metric that decides."""
    named = {f"{name}_at_best": value for name, value in line.items()}
    return {name: value for name, value in named.items() if name in METRICS}


def _rank(line: Line, metric: str) -> tuple[float, float]:
    """Return what is larger for a better epoch, by a metric of the test or validation split."""
    loss = "val_loss" if metric.startswith("val_") else "loss"
    return line[metric], -line.get(loss, 0.0)
