import pytest
import torch

from kbench.datasets import build_dataset


def test_options_are_the_facts(tmp_path):
    dataset = build_dataset("noise", tmp_path, size=5, channels=2, classes=3, count=7)
    assert dataset.input_shape == (2, 5, 5)
    assert dataset.num_classes == len(dataset.class_names) == 3
    assert dataset.split_sizes == {"train": 7, "test": 7}
    found = dataset.load("train")
    assert found.images.shape == (7, 2, 5, 5)
    assert found.images.dtype == torch.uint8
    assert found.targets.tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_pixels_are_uniform_bytes(tmp_path):
    dataset = build_dataset("noise", tmp_path, size=64, count=64)
    images = dataset.load("train").images
    counts = images.flatten().to(torch.int64).bincount()
    # 786,432 bytes, 3,072 of each value with a standard deviation of 55.
    assert len(counts) == 256
    assert ((counts - 3072).abs() < 5 * 55).all()
    pixels = images.double() / 255
    assert pixels.mean((0, 2, 3)).tolist() == pytest.approx(dataset.mean, abs=3e-3)
    assert pixels.std((0, 2, 3)).tolist() == pytest.approx(dataset.std, abs=3e-3)


def test_pixels_are_the_same_every_time_and_differ_between_splits(tmp_path):
    first, second = (build_dataset("noise", tmp_path, count=8) for _ in range(2))
    assert torch.equal(first.load("test").images, second.load("test").images)
    assert not torch.equal(first.load("test").images, first.load("train").images)


def test_it_says_that_it_is_no_data(tmp_path):
    dataset = build_dataset("noise", tmp_path)
    assert "not data" in dataset.note
    assert dataset.missing_files() == []
    assert dataset.checksums() == {}


@pytest.mark.parametrize("option", ["size", "channels", "classes", "count"])
def test_options_have_to_be_positive(tmp_path, option):
    with pytest.raises(ValueError, match=rf"{option} \(=0\) must be >= 1"):
        build_dataset("noise", tmp_path, **{option: 0})
