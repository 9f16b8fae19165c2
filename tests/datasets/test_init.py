import re
from pathlib import Path

import pytest

from kbench.datasets import build_dataset, data_root
from kbench.errors import DatasetError, UnknownNameError
from kbench.registry import DATASETS

NOWHERE = Path("no-such-folder")


@pytest.mark.parametrize(
    ("name", "classes", "shape", "sizes"),
    [
        ("digits", 10, (1, 8, 8), (1437, 360)),
        ("cifar10", 10, (3, 32, 32), (50_000, 10_000)),
        ("cifar100", 100, (3, 32, 32), (50_000, 10_000)),
        ("mnist", 10, (1, 28, 28), (60_000, 10_000)),
        ("fashion_mnist", 10, (1, 28, 28), (60_000, 10_000)),
        ("svhn", 10, (3, 32, 32), (73_257, 26_032)),
        ("stl10", 10, (3, 96, 96), (5_000, 8_000)),
        ("cifar100_subset", 100, (3, 32, 32), (10_000, 2_000)),
        ("imagenette_subset", 10, (3, 224, 224), (800, 200)),
        ("imagenet100", 100, (3, 224, 224), (126_689, 5_000)),
        ("imagenet1k", 1000, (3, 224, 224), (1_281_167, 50_000)),
        ("imagenet_downsampled", 1000, (3, 32, 32), (1_281_167, 50_000)),
        ("noise", 10, (3, 32, 32), (1024, 1024)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_facts_are_known_without_data(name, classes, shape, sizes):
    dataset = build_dataset(name, NOWHERE)
    assert dataset.num_classes == classes
    assert dataset.input_shape == shape
    assert tuple(dataset.split_sizes.items()) == (("train", sizes[0]), ("test", sizes[1]))


# Classes and sizes of a user's own pictures are what is found.
DESCRIBED = sorted(set(DATASETS) - {"image_folder"})
# What is described by a table of files with published checksums.
LISTED = [
    "cifar10",
    "cifar100",
    "cifar100_subset",
    "digits",
    "fashion_mnist",
    "mnist",
    "stl10",
    "svhn",
]


@pytest.mark.parametrize("name", DESCRIBED)
def test_description_is_consistent(name):
    dataset = build_dataset(name, NOWHERE)
    assert dataset.name == name
    assert dataset.task in ("classification", "segmentation", "fitting")
    assert len(set(dataset.class_names)) == dataset.num_classes
    assert len(dataset.mean) == len(dataset.std) == dataset.input_shape[0]
    assert all(value > 0 for value in dataset.std)
    assert {"train", "test"} <= set(dataset.split_sizes)
    assert all(size > 0 for size in dataset.split_sizes.values())
    assert dataset.summary.endswith(".")
    assert not dataset.note.endswith(".")
    packed = [member for archive in dataset.archives for member in archive.members]
    places = [f"{place}/" for archive in dataset.archives for _, place in archive.places]
    listed = [file.path for file in dataset.files if not f"{file.path}/".startswith(tuple(places))]
    assert not dataset.archives or packed == listed


@pytest.mark.parametrize("name", DESCRIBED)
def test_subsets_say_so(name):
    assert ("subset" in name) <= bool(build_dataset(name, NOWHERE).note)


@pytest.mark.parametrize("name", LISTED)
def test_checksums_are_known_without_data(name):
    sums = build_dataset(name, NOWHERE).checksums()
    assert sums
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in sums.values())


@pytest.mark.parametrize(
    ("name", "statistics"),
    [
        ("cifar10", ((0.49139968, 0.48215841, 0.44653091), (0.24703223, 0.24348513, 0.26158784))),
        ("cifar100", ((0.50707516, 0.48654887, 0.44091784), (0.26733429, 0.25643846, 0.27615047))),
        ("svhn", ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))),
        ("fashion_mnist", ((0.2860,), (0.3530,))),
        ("mnist", ((0.1307,), (0.3081,))),
        ("digits", ((0.5,), (0.5,))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_statistics_are_those_of_the_papers(name, statistics):
    dataset = build_dataset(name, NOWHERE)
    assert (dataset.mean, dataset.std) == statistics


def test_options_change_the_shape():
    assert build_dataset("fashion_mnist", NOWHERE, size=32).input_shape == (1, 32, 32)
    digits = build_dataset("digits", NOWHERE, size=32, channels=3)
    assert digits.input_shape == (3, 32, 32)
    assert digits.mean == digits.std == (0.5, 0.5, 0.5)


def test_unknown_dataset_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown dataset 'cifar' \(did you mean 'cifar10'"):
        build_dataset("cifar")


def test_unknown_option_is_refused_with_the_known():
    with pytest.raises(UnknownNameError, match=r"has no option 'sise' .*'size'.*it takes"):
        build_dataset("digits", sise=32)


@pytest.mark.parametrize(
    "name", ["digits", "mnist", "fashion_mnist", "stl10", "cifar100_subset", "noise"]
)
def test_size_has_to_be_positive(name):
    with pytest.raises(ValueError, match=r"size \(=0\) must be >= 1"):
        build_dataset(name, size=0)


def test_unknown_split_is_refused():
    with pytest.raises(DatasetError, match="'digits' has no split 'val'; it has: train, test"):
        build_dataset("digits").load("val")


@pytest.mark.parametrize(
    ("value", "root"), [("/data", "/data"), ("", "data")], ids=["set", "empty"]
)
def test_root_comes_from_the_environment(monkeypatch, value, root):
    monkeypatch.setenv("KBENCH_DATA", value)
    assert data_root() == Path(root)
    assert build_dataset("cifar10").folder == Path(root)


def test_root_is_data_without_the_variable(monkeypatch):
    monkeypatch.delenv("KBENCH_DATA", raising=False)
    assert data_root() == Path("data")
