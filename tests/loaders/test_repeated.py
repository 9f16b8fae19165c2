"""Epochs of a fixed number of steps are cut out of pass after pass."""

from collections.abc import Iterator

import pytest
import torch

from kbench.loaders.batch import Batch
from kbench.loaders.repeated import RepeatedLoader


class Passes:
    """A loader of three steps that says pass and step in its inputs."""

    def __len__(self) -> int:
        return 3

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for step in range(start, 3):
            yield Batch(torch.tensor([epoch, step]), torch.zeros(1))


@pytest.mark.parametrize("num_steps", [1, 2, 3, 5, 7])
def test_every_step_is_given_once(num_steps: int) -> None:
    loader = RepeatedLoader(Passes(), num_steps)
    found = [batch.inputs.tolist() for epoch in range(4) for batch in loader.batches(epoch)]
    assert len(loader) == num_steps
    assert found == [list(divmod(position, 3)) for position in range(4 * num_steps)]


def test_start_leaves_out_the_steps_before_it() -> None:
    loader = RepeatedLoader(Passes(), 5)
    whole = [batch.inputs.tolist() for batch in loader.batches(1)]
    assert [batch.inputs.tolist() for batch in loader.batches(1, 3)] == whole[3:]
