"""What the task measures on the test split."""

from collections.abc import Iterator

from kbench.evaluations.network import Evaluated, every_epoch
from kbench.registry import EVALUATIONS


@EVALUATIONS.register("test")
@every_epoch
def test_split(network: Evaluated) -> Iterator[tuple[str, float]]:
    """Metrics of the task on the test split, after every evaluated epoch."""
    with network.autocast():
        yield from network.task.evaluate(network.model, network.loader.batches(0)).items()
