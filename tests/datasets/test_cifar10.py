from pathlib import Path

import pytest
from torchvision import datasets as torchvisions

from kbench.datasets import build_dataset

NOWHERE = Path("nowhere")


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("cifar10", torchvisions.CIFAR10), ("cifar100", torchvisions.CIFAR100)],
    ids=["cifar10", "cifar100"],
)
def test_checksums_are_those_of_torchvision(name, theirs):
    dataset = build_dataset(name, NOWHERE)
    expected = {
        f"{theirs.base_folder}/{path}": md5 for path, md5 in theirs.train_list + theirs.test_list
    }
    assert {file.path: file.md5 for file in dataset.files} == expected
    (archive,) = dataset.archives
    assert (archive.path, archive.md5) == (theirs.filename, theirs.tgz_md5)
    assert archive.urls == (theirs.url,)
