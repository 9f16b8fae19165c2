import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.checksum import CACHE_NAME
from kbench.datasets.dataset import Split
from kbench.errors import DatasetError


def make_split(count):
    return Split(torch.zeros(count, 1, 2, 2), torch.arange(count))


def test_first_images_of_a_split():
    assert make_split(5).first(3).targets.tolist() == [0, 1, 2]
    assert len(make_split(5).first(3).images) == 3


def test_no_limit_keeps_the_split():
    split = make_split(5)
    assert split.first(None) is split


@pytest.mark.parametrize("count", [0, 6], ids=["none", "too-many"])
def test_limit_outside_the_split_is_refused(count):
    with pytest.raises(DatasetError, match=rf"limit \(={count}\) must be 1 to 5"):
        make_split(5).first(count)


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
        f"expected {expected}; delete it and run: kbench data prepare svhn --download"
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
