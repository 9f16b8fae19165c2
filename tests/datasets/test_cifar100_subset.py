import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.cifar100_subset import Cifar100Subset
from kbench.errors import DatasetError

PATH = "cifar100-subset/cifar100_subset.npz"


@pytest.fixture
def arrays():
    generator = np.random.default_rng(5)
    return {
        f"{split}_{what}": generator.integers(0, end, shape, dtype)
        for split, size in (("train", 6), ("test", 3))
        for what, end, shape, dtype in (
            ("images", 256, (size, 32, 32, 3), np.uint8),
            ("labels", 100, (size,), np.int64),
        )
    }


@pytest.fixture
def root(tmp_path, arrays, monkeypatch):
    (tmp_path / PATH).parent.mkdir()
    np.savez(tmp_path / PATH, **arrays, class_names=np.asarray(["apple"]))
    content = b"".join(array.tobytes() for array in arrays.values())
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    file = replace(Cifar100Subset.files[0], md5=md5)
    monkeypatch.setattr(Cifar100Subset, "files", (file,))
    monkeypatch.setattr(Cifar100Subset, "split_sizes", {"train": 6, "test": 3})
    return tmp_path


@pytest.mark.parametrize("split", ["train", "test"])
def test_small_set_is_read_as_written(root, arrays, split):
    found = build_dataset("cifar100_subset", root).load(split)
    expected = torch.from_numpy(arrays[f"{split}_images"]).permute(0, 3, 1, 2)
    assert torch.equal(found.images, expected)
    assert found.images.is_contiguous()
    assert found.targets.tolist() == arrays[f"{split}_labels"].tolist()


def test_checksum_is_that_of_the_arrays_not_of_the_file(root, arrays):
    np.savez_compressed(root / PATH, **arrays)
    build_dataset("cifar100_subset", root).verify()


def test_other_arrays_are_refused(root, arrays):
    np.savez(root / PATH, **arrays | {"train_labels": arrays["train_labels"] + 1})
    with pytest.raises(DatasetError, match=r"cifar100_subset\.npz' has md5 .*, expected"):
        build_dataset("cifar100_subset", root).load("train")


@pytest.mark.parametrize("size", [0, 100, -100], ids=["empty", "begin", "all-but-the-end"])
def test_truncated_file_is_named(root, size):
    content = (root / PATH).read_bytes()
    (root / PATH).write_bytes(content[:size])
    with pytest.raises(DatasetError, match=r"cifar100_subset\.npz' is no whole file of arrays"):
        build_dataset("cifar100_subset", root).load("train")


def test_it_says_that_it_is_a_subset(tmp_path):
    dataset = build_dataset("cifar100_subset", tmp_path)
    assert dataset.note.startswith("subset, not comparable with CIFAR-100: 100 of 500 training")
    with pytest.raises(DatasetError, match=f"no file '{PATH}' in .*; there is no download: unpack"):
        dataset.load("train")


def test_real_set_is_balanced(real_dataset):
    dataset = real_dataset("cifar100_subset")
    for split, size in (("train", 100), ("test", 20)):
        assert dataset.load(split).targets.bincount().tolist() == [size] * 100


def test_statistics_of_the_real_set_are_near_those_of_cifar100(real_dataset):
    dataset = real_dataset("cifar100_subset")
    pixels = dataset.load("train").images.to(torch.float32).div_(255)
    # A fifth of the images: the mean of 10,000 has a standard error of 0.001 to 0.002.
    assert pixels.mean((0, 2, 3)).tolist() == pytest.approx(dataset.mean, abs=5e-3)
    assert pixels.std((0, 2, 3)).tolist() == pytest.approx(dataset.std, abs=5e-3)
