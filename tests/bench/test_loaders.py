import pytest
import torch

from kbench.bench import loaders as bench
from kbench.bench.loaders import bench_loaders, bench_split
from kbench.loaders import LOADERS


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path))


@pytest.fixture
def rows():
    return bench_loaders(count=64, batch_size=32, num_workers=(0,), repetitions=3)


def test_every_loader_has_a_row_beside_its_peers(rows):
    assert [row.loader for row in rows] == [*LOADERS, "fancy_index", "torch_0"]


def test_rows_say_how_they_were_measured(rows):
    for row in rows:
        assert (row.source, row.device, row.batch_size) == ("synthetic", "cpu", 32)
        assert (row.repetitions, row.threads) == (3, torch.get_num_threads())


def test_median_lies_between_the_extremes(rows):
    assert all(0 < row.slowest <= row.images_per_s <= row.fastest for row in rows)


def test_images_without_data_have_the_shape_of_cifar10():
    source, split = bench_split(20)
    assert source == "synthetic"
    assert split.images.shape == (20, 3, 32, 32)
    assert split.images.dtype == torch.uint8
    assert 0 <= split.targets.min() <= split.targets.max() <= 9


@pytest.mark.parametrize("name", ["memory", "fancy_index", "torch"])
def test_all_loaders_make_equal_statistics(name):
    """The same work: crop with zeros, flip, normalisation, every image once."""
    _, split = bench_split(600)
    device = torch.device("cpu")
    epochs = {
        "memory": lambda: bench._kbench_epoch("memory", split, 256, device)(0),
        "fancy_index": lambda: bench._fancy_index_epoch(split, 256, device, 0),
        "torch": lambda: bench._torch_epoch(split, 256, device, 0)(0),
    }
    inputs = torch.cat(list(epochs[name]()))
    assert inputs.shape == (600, 3, 32, 32)
    # Uniform bytes (mean 1/2) without the margin that a crop leaves: a shift of 0 to 4 pixels with
    # mean 20/9 along each axis keeps (1 - 20/9/32)^2 of the pixels; 600 images give 0.2 percent.
    fraction = (1 - 20 / 9 / 32) ** 2
    pixels = inputs * torch.tensor(bench.STD).view(3, 1, 1) + torch.tensor(bench.MEAN).view(3, 1, 1)
    assert pixels.mean().item() == pytest.approx(fraction / 2, rel=0.01)
