import pytest
import torch

from kbench.datasets.dataset import FileSplit
from kbench.errors import DatasetError
from kbench.loaders.steps import Steps
from kbench.loaders.torch_batches import TorchBatches
from kbench.recipe import Augmentation

MEAN, STD = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
JITTERED = Augmentation(random_resized_crop=True, color_jitter=0.3)


@pytest.fixture
def batches(source_of, pictures):
    source = source_of(pictures)

    def make(augmentation=JITTERED, batch_size=8, seed=0):
        steps = Steps(len(pictures), batch_size, seed, shuffle=True)
        return TorchBatches(source, pictures, steps, augmentation, MEAN, STD)

    return make


def test_a_batch_depends_on_its_position_alone(batches):
    used = batches()
    for position in [(0, 0), (1, 3), (0, 2)]:
        used[position]
    assert torch.equal(used[1, 1].inputs, batches()[1, 1].inputs)


@pytest.mark.parametrize("other", [(1, 2), (2, 1)], ids=str)
def test_other_positions_give_other_pixels(batches, other):
    assert not torch.equal(batches()[1, 1].inputs, batches()[other].inputs)


def test_what_is_drawn_for_an_image_does_not_depend_on_the_batch_size(batches):
    whole = batches(batch_size=16)[0, 0].inputs
    parts = batches(batch_size=4)
    assert torch.equal(torch.cat([parts[0, step].inputs for step in range(4)]), whole)


def test_copies_of_an_image_change_apart(batches):
    inputs = batches(Augmentation(repeats=2, random_resized_crop=True))[0, 0].inputs
    assert not torch.equal(inputs[0], inputs[1])


def test_a_reason_is_returned_instead_of_a_batch(source_of, tmp_path):
    files = FileSplit((tmp_path / "gone.jpg",), torch.zeros(1, dtype=torch.int64))
    source = source_of(files, (3, 8, 8))
    steps = Steps(1, 1, 0, shuffle=False)
    found = TorchBatches(source, files, steps, Augmentation(), MEAN, STD)[0, 0]
    assert isinstance(found, DatasetError)
    assert "gone.jpg' cannot be read" in str(found)
