from collections.abc import Mapping

import pytest
import torch

from kbench.datasets.dataset import Split
from kbench.datasets.resize import resize_images
from kbench.datasets.sized import SizedDataset


class Squares(SizedDataset):
    """Images of 4 x 4 pixels."""

    name = "squares"
    num_classes = 1
    class_names = ("square",)
    files = ()
    split_sizes: Mapping[str, int] = {"train": 6}

    def _read(self, split):
        del split
        images = torch.arange(6 * 16, dtype=torch.uint8).view(6, 1, 4, 4)
        return Split(images, torch.zeros(6, dtype=torch.int64))


def test_native_size_keeps_bytes(tmp_path):
    found = Squares(tmp_path, size=4, channels=1).load("train")
    assert found.images.dtype == torch.uint8


@pytest.mark.parametrize("size", [2, 6, 8], ids=["half", "x1.5", "x2"])
def test_other_sizes_are_resized(tmp_path, size):
    dataset = Squares(tmp_path, size=size, channels=1)
    native = Squares(tmp_path, size=4, channels=1).load("train").images
    assert dataset.input_shape == (1, size, size)
    assert torch.equal(dataset.load("train").images, resize_images(native, size))


def test_only_what_a_limit_leaves_is_resized(tmp_path, monkeypatch):
    seen = []

    def spy(images, size):
        seen.append(len(images))
        return resize_images(images, size)

    monkeypatch.setattr("kbench.datasets.sized.resize_images", spy)
    assert len(Squares(tmp_path, size=8, channels=1).load("train", 2)) == 2
    assert seen == [2]


def test_size_has_to_be_positive(tmp_path):
    with pytest.raises(ValueError, match=r"size \(=0\) must be >= 1"):
        Squares(tmp_path, size=0, channels=1)
