from pathlib import Path

import pytest
from torchvision import datasets as torchvisions

from kbench.datasets import build_dataset


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("mnist", torchvisions.MNIST), ("fashion_mnist", torchvisions.FashionMNIST)],
    ids=["mnist", "fashion"],
)
def test_archives_are_those_of_torchvision(name, theirs):
    dataset = build_dataset(name, Path("nowhere"))
    found = {archive.path.rpartition("/")[2]: archive.md5 for archive in dataset.archives}
    assert found == dict(theirs.resources)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_every_file_comes_from_an_archive_of_its_own(name):
    dataset = build_dataset(name, Path("nowhere"))
    members = [member for archive in dataset.archives for member in archive.members]
    assert members == [file.path for file in dataset.files]
    assert [f"{member}.gz" for member in members] == [archive.path for archive in dataset.archives]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_images_are_resized_where_asked_for(write_small, name):
    root, arrays = write_small(name)
    split = build_dataset(name, root, size=32).load("test")
    assert split.images.shape == (len(arrays["test"][1]), 1, 32, 32)
    assert split.targets.tolist() == arrays["test"][1].tolist()
