import pytest
import torch

from kbench.datasets import build_dataset


@pytest.mark.parametrize("split", ["train", "test"])
def test_small_set_is_read_as_written(write_small, split):
    root, arrays = write_small("svhn")
    loaded = build_dataset("svhn", root).load(split)
    images, targets = arrays[split]
    assert loaded.images.dtype == torch.uint8
    assert loaded.images.is_contiguous()
    assert torch.equal(loaded.images, torch.from_numpy(images))
    assert torch.equal(loaded.targets, torch.from_numpy(targets))


def test_class_ten_is_digit_zero(write_small):
    root, arrays = write_small("svhn")
    assert (arrays["train"][1] == 0).any()
    assert build_dataset("svhn", root).load("train").targets.max() <= 9
