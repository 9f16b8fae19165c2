import numpy as np
import torch

from kbench.loaders.batch import Batch
from kbench.loaders.batch_changes import change_batch
from kbench.recipe import Augmentation

PLACES = np.arange(4)


def test_without_mixing_and_erasing_nothing_changes():
    batch = Batch(torch.rand(4, 3, 8, 8), torch.arange(4))
    assert change_batch(batch, Augmentation(flip=True), 10, (0, 0, 0), PLACES) is batch


def test_mixed_targets_are_shares_that_depend_on_the_position_alone():
    batch = Batch(torch.rand(4, 3, 8, 8), torch.arange(4))
    augmentation = Augmentation(mixup=0.5, random_erasing=1.0)
    first, same, other = (
        change_batch(batch, augmentation, 10, (0, 0, step), PLACES) for step in (1, 1, 2)
    )
    torch.testing.assert_close(first.targets.sum(1), torch.ones(4))
    assert torch.equal(first.inputs, same.inputs)
    assert not torch.equal(first.inputs, other.inputs)
