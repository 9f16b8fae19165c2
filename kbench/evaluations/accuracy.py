"""Accuracy on the test split."""

from collections.abc import Iterator

from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS
from kbench.tasks import classification


@EVALUATIONS.register("test")
def test_split(network: Evaluated) -> Iterator[tuple[str, float]]:
    """Accuracy and loss on the test split, after every evaluated epoch."""
    with network.autocast():
        yield from classification.evaluate(network.model, network.loader.batches(0)).items()
