"""What every dataset of one picture has in common."""

from pathlib import Path

import pytest
import torch

from kbench.datasets.fitting import FittingDataset
from kbench.errors import DatasetError


class Ramp(FittingDataset):
    """Numbers from 0 on."""

    name = "ramp"

    def _picture(self):
        return torch.arange(24, dtype=torch.float32).view(self.input_shape)


@pytest.fixture
def ramp():
    return Ramp(Path(), (2, 3, 4))


@pytest.mark.parametrize("split", ["train", "test"])
def test_both_splits_are_a_blank_canvas_and_the_picture(ramp, split):
    loaded = ramp.load(split)
    assert len(loaded) == ramp.split_sizes[split] == 1
    assert loaded.images.shape == (1, 2, 3, 4)
    assert loaded.images.count_nonzero() == 0
    assert loaded.targets.flatten().tolist() == list(range(24))


def test_inputs_are_not_normalised_and_there_are_no_classes(ramp):
    assert (ramp.mean, ramp.std) == ((0.0, 0.0), (1.0, 1.0))
    assert (ramp.num_classes, ramp.class_names, ramp.files) == (0, (), ())
    assert ramp.task == "fitting"
    assert ramp.value_range is None


def test_there_is_no_second_picture(ramp):
    with pytest.raises(DatasetError, match=r"limit \(=2\) must be 1 to 1"):
        ramp.load("train", 2)
