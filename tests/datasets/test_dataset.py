from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.checksum import CACHE_NAME
from kbench.datasets.dataset import DataFile, Dataset, FileSplit, Split
from kbench.errors import DatasetError


class Even(Dataset):
    """Ten samples whose class numbers tests may change."""

    name = "even"
    num_classes = 2
    class_names = ("even", "odd")
    files = ()
    split_sizes: Mapping[str, int] = {"train": 10}

    def _read(self, split):
        del split
        return Split(torch.arange(10).view(10, 1, 1, 1), torch.arange(10) % 2)


@pytest.fixture
def even(tmp_path):
    return Even(tmp_path)


@pytest.mark.parametrize(
    "split",
    [
        Split(torch.arange(5).view(5, 1, 1, 1), torch.arange(5)),
        FileSplit(tuple(Path(str(number)) for number in range(5)), torch.arange(5)),
    ],
    ids=["memory", "files"],
)
def test_samples_at_some_places_keep_their_targets(split):
    taken = split.take(np.array([4, 1]))
    assert len(taken) == 2
    assert taken.targets.tolist() == [4, 1]
    values = taken.images.flatten().tolist() if isinstance(taken, Split) else taken.paths
    assert [str(value) for value in values] == ["4", "1"]


def test_limit_leaves_the_first_samples(even):
    assert even.load("train", 3).images.flatten().tolist() == [0, 1, 2]
    assert len(even.load("train")) == 10


@pytest.mark.parametrize("count", [0, 11], ids=["none", "too-many"])
def test_limit_outside_the_split_is_refused(even, count):
    with pytest.raises(DatasetError, match=rf"limit \(={count}\) must be 1 to 10"):
        even.load("train", count)


def test_split_of_another_size_is_refused(even, monkeypatch):
    monkeypatch.setattr(even, "split_sizes", {"train": 2000}, raising=False)
    with pytest.raises(DatasetError, match="'train' has 10 samples, expected 2,000"):
        even.load("train")


def test_class_number_out_of_range_is_refused_with_its_place(even, monkeypatch):
    monkeypatch.setattr(even, "num_classes", 1, raising=False)
    message = "'train' has class number 1 at sample 1; it must be 0 to 0"
    with pytest.raises(DatasetError, match=message):
        even.load("train")


def test_sum_of_a_file_without_a_published_one_is_that_found(even, tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    even.files = (DataFile("file", None), DataFile("gone", None), DataFile("known", "0" * 32))
    # RFC 1321, appendix A.5.
    assert even.checksums() == {"file": "900150983cd24fb0d6963f7d28e17f72", "known": "0" * 32}
    assert even.missing_files() == ["gone", "known"]


def test_missing_file_is_named_with_folder_and_command(tmp_path):
    with pytest.raises(DatasetError) as caught:
        build_dataset("cifar10", tmp_path).load("train")
    assert str(caught.value) == (
        f"dataset 'cifar10': no file 'cifar-10-batches-py/data_batch_1' in '{tmp_path}'; "
        "get it with: kbench data prepare cifar10 --download"
    )


def test_first_missing_file_is_named(write_small):
    root, _ = write_small("mnist")
    (root / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    dataset = build_dataset("mnist", root)
    assert dataset.missing_files() == ["MNIST/raw/t10k-labels-idx1-ubyte"]
    with pytest.raises(DatasetError, match="no file 'MNIST/raw/t10k-labels-idx1-ubyte'"):
        dataset.load("train")


def test_wrong_checksum_is_named_with_both_sums(write_small):
    root, _ = write_small("svhn")
    expected = build_dataset("svhn", root).checksums()["test_32x32.mat"]
    (root / "test_32x32.mat").write_bytes(b"damaged")
    with pytest.raises(DatasetError) as caught:
        build_dataset("svhn", root).load("train")
    # The sum of b"damaged", from coreutils' md5sum.
    assert str(caught.value) == (
        f"dataset 'svhn': '{root}/test_32x32.mat' has md5 46cc0df55d22d6eb6c37cabbc09f5193, "
        f"expected {expected}; delete it and get it with: kbench data prepare svhn --download"
    )


def test_damage_after_a_verified_load_is_found(write_small):
    root, _ = write_small("cifar100")
    dataset = build_dataset("cifar100", root)
    dataset.load("train")
    path = root / "cifar-100-python/test"
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(DatasetError, match="cifar-100-python/test' has md5"):
        dataset.load("train")


def test_files_are_hashed_once(write_small, monkeypatch):
    root, _ = write_small("cifar10")
    build_dataset("cifar10", root).load("train")
    assert (root / CACHE_NAME).is_file()
    monkeypatch.setattr("kbench.datasets.checksum.file_md5", lambda path: pytest.fail(str(path)))
    build_dataset("cifar10", root).load("test")
