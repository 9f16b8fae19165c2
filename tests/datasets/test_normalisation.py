from pathlib import Path

import pytest

from kbench.datasets import build_dataset
from kbench.datasets.normalisation import find_normalisation
from kbench.errors import UnknownNameError, UnsupportedError


def test_dataset_statistics_are_its_own():
    cifar10 = build_dataset("cifar10", Path())
    assert find_normalisation("dataset", cifar10) == (cifar10.mean, cifar10.std)


def test_imagenet_statistics():
    # GMConv, section 6.
    expected = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert find_normalisation("imagenet", build_dataset("cifar10", Path())) == expected


@pytest.mark.parametrize(("name", "channels"), [("cifar10", 3), ("mnist", 1)], ids=["rgb", "grey"])
def test_half_fits_every_number_of_channels(name, channels):
    expected = ((0.5,) * channels, (0.5,) * channels)
    assert find_normalisation("half", build_dataset(name, Path())) == expected


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_statistics_of_the_release_of_njet(name):
    # N-Jet, section 6: of both CIFAR sets.
    expected = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert find_normalisation("cifar10_image_std", build_dataset(name, Path())) == expected


def test_imagenet_statistics_do_not_fit_grey_images():
    message = "'imagenet' is for 3 channels, images of dataset 'mnist' have 1"
    with pytest.raises(UnsupportedError, match=message):
        find_normalisation("imagenet", build_dataset("mnist", Path()))


def test_unknown_normalisation_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'imagnet' \(did you mean 'imagenet'\?\); known"):
        find_normalisation("imagnet", build_dataset("mnist", Path()))
