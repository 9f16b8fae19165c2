import numpy as np
import pytest
import torch

from kbench.datasets.dataset import Split
from kbench.errors import DatasetError
from kbench.loaders.batch import HeldOut, Source


@pytest.fixture
def source(source_of):
    return source_of(Split(torch.zeros(20, 1, 2, 2, dtype=torch.uint8), torch.arange(20)))


def test_held_out_samples_are_the_first_of_numpys_shuffle():
    # N-Jet's released loader: RandomState(10).shuffle, the first tenth for validation.
    order = np.arange(50_000)
    np.random.RandomState(10).shuffle(order)
    assert HeldOut(5_000, 10, is_rest=False).places(50_000).tolist() == sorted(order[:5_000])
    assert HeldOut(5_000, 10, is_rest=True).places(50_000).tolist() == sorted(order[5_000:])


@pytest.mark.parametrize("count", [20, 21], ids=["all", "more"])
def test_something_must_be_left_for_training(count):
    message = rf"held_out \(={count}\) must be less than 20, the images of the split"
    with pytest.raises(DatasetError, match=message):
        HeldOut(count, 0, is_rest=True).places(20)


@pytest.mark.parametrize(
    ("limit", "held_out"),
    [
        (None, None),
        (7, None),
        (None, HeldOut(5, 3, is_rest=True)),
        (12, HeldOut(5, 3, is_rest=False)),
        (12, HeldOut(5, 3, is_rest=True)),
    ],
    ids=["all", "limit", "rest", "held-out-of-limit", "rest-of-limit"],
)
def test_places_are_those_of_the_samples_that_are_loaded(source, limit, held_out):
    chosen = Source(source.dataset, "train", limit, held_out)
    places = chosen.places(20)
    found = np.arange(20) if places is None else places
    assert chosen.load().targets.tolist() == found.tolist()


def test_a_limit_holds_before_something_is_held_out(source):
    held_out = HeldOut(5, 3, is_rest=False)
    assert Source(source.dataset, "train", 12, held_out).places(20).max() < 12


def test_a_limit_beyond_the_split_is_refused(source):
    with pytest.raises(DatasetError, match=r"limit \(=21\) must be 1 to 20"):
        Source(source.dataset, "train", 21).places(20)
