"""Splits and normalisation of FlexConv, section 6."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kbench.datasets.dataset import Split
from kbench.datasets.series import SeriesDataset, split_stratified, step_statistics
from kbench.errors import DatasetError


class Written(SeriesDataset):
    """Series that the test gives."""

    name = "written"
    num_classes = 4
    class_names = tuple("abcd")
    files = ()

    def __init__(self, series, count=None):
        super().__init__(Path(), tuple(series.shape[1:]), count or len(series))
        self.series, self.readings = series, 0

    def _read_whole(self):
        self.readings += 1
        return Split(self.series, torch.arange(len(self.series)) % 4)


@pytest.fixture
def series():
    values = np.random.default_rng(0).normal(3, 2, (200, 3, 5)) * np.arange(1, 6)
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(2858, (2000, 429, 429)), (34_975, (24_482, 5246, 5247)), (200, (140, 30, 30))],
    ids=["character_trajectories", "speech_commands", "small"],
)
def test_shares_are_70_15_15(count, sizes):
    dataset = Written(torch.zeros(1, 1, 1), count)
    assert tuple(dataset.split_sizes.values()) == sizes
    places = split_stratified(np.arange(count) % 20)
    assert tuple(map(len, places.values())) == sizes


def test_splits_share_no_series_and_leave_none_out():
    places = split_stratified(np.arange(101) % 5)
    assert sorted(np.concatenate(list(places.values())).tolist()) == list(range(101))


def test_classes_have_equal_shares_in_every_split():
    targets = np.repeat([0, 1, 2], [400, 200, 100])
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        counts = np.bincount(targets[split_stratified(targets)[split]])
        np.testing.assert_allclose(counts, share * np.array([400, 200, 100]), atol=1)


def test_every_step_has_mean_0_and_deviation_1_in_the_training_split(series):
    values = Written(series).load("train").images.double()
    for step in range(5):
        seen = values[:, :, step].flatten()
        # Float32 values of up to 50 before the normalisation.
        assert float(seen.mean()) == pytest.approx(0, abs=1e-6)
        # Divided by the deviation plus 1e-5, of a deviation of at least 2.
        assert float(seen.std()) == pytest.approx(1, abs=1e-5)


def test_statistics_of_the_training_split_serve_all(series):
    dataset = Written(series)
    places = split_stratified(np.arange(200) % 4)
    train = series[places["train"]].double()
    for split in ("train", "val", "test"):
        expected = series[places[split]].double().clone()
        for step in range(5):
            seen = train[:, :, step]
            expected[:, :, step] -= seen.mean()
            # Unbiased, and 1e-5 added outside of the root.
            expected[:, :, step] /= seen.std(correction=1) + 1e-5
        # Means of 420 values in float32.
        torch.testing.assert_close(
            dataset.load(split).images.double(), expected, rtol=1e-5, atol=1e-5
        )
        assert dataset.load(split).targets.tolist() == (places[split] % 4).tolist()


def test_constant_step_becomes_0():
    series = torch.ones(40, 2, 3)
    assert (Written(series).load("test").images == 0).all()


def test_integers_are_shares_of_two_to_the_15():
    whole = torch.randint(-(2**15), 2**15, (40, 1, 6), dtype=torch.int16)
    found = Written(whole).load("val").images
    expected = Written(whole.to(torch.float32) / 2**15).load("val").images
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_set_is_read_once_and_left_unchanged(series):
    before, dataset = series.clone(), Written(series)
    first = dataset.load("test").images
    assert torch.equal(first, dataset.load("test").images)
    assert dataset.readings == 1
    assert torch.equal(series, before)


def test_statistics_are_over_samples_and_channels():
    series = torch.tensor([[[0.0, 5.0], [2.0, 5.0]], [[4.0, 5.0], [6.0, 5.0]]])
    mean, std = step_statistics(series)
    assert mean.tolist() == [3, 5]
    # Deviations -3, -1, 1, 3: 20 / 3.
    assert std.tolist() == pytest.approx([(20 / 3) ** 0.5, 0])


def test_wrong_number_of_series_is_refused(series):
    with pytest.raises(DatasetError, match=r"'written': 200 series, expected 3,000"):
        Written(series, 3000).load("train")
