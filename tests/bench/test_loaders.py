import importlib.util

import pytest
import torch

from kbench.bench.loader_data import find_images, find_pictures
from kbench.bench.loader_peers import MEAN, STD
from kbench.bench.loaders import bench_loaders, list_contenders

HAS_FFCV = importlib.util.find_spec("ffcv") is not None


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path / "none"))


@pytest.fixture
def without_ffcv(monkeypatch):
    monkeypatch.setattr("kbench.bench.loaders._prepare", lambda _: False)


@pytest.mark.usefixtures("without_ffcv")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("images", ["memory", "torch", "fancy_index", "dataloader"]),
        ("pictures", ["torch", "dataloader"]),
    ],
)
def test_every_loader_has_a_row_beside_its_peers(kind, expected):
    rows = bench_loaders(
        (kind,), count=64, num_pictures=4, batch_size=32, num_workers=(0,), repetitions=3
    )
    assert [row.loader for row in rows] == expected
    for row in rows:
        assert (row.images, row.source, row.device) == (kind, "generated", "cpu")
        assert (row.batch_size, row.workers) == (32 if kind == "images" else 8, 0)
        assert (row.repetitions, row.threads) == (3, torch.get_num_threads())
        assert 0 < row.slowest <= row.images_per_s <= row.fastest
        assert row.first_epoch_s > 0


@pytest.mark.ffcv
def test_ffcv_takes_part_where_it_is_installed(tmp_path):
    dataset = find_pictures(tmp_path, 4)
    contenders = list_contenders(dataset, 4, torch.device("cpu"), (0, 1))
    found = [(contender.loader, contender.workers) for contender in contenders]
    assert [row for row in found if "ffcv" in row[0]] == [("ffcv", 1), ("bare_ffcv", 1)]


@pytest.mark.parametrize(
    "loader",
    [
        "memory",
        "torch",
        "fancy_index",
        "dataloader",
        pytest.param("ffcv", marks=pytest.mark.ffcv),
        pytest.param("bare_ffcv", marks=pytest.mark.ffcv),
    ],
)
def test_all_loaders_make_equal_statistics(loader, tmp_path, monkeypatch):
    """The same work: crop with zeros, flip, normalisation, every image once."""
    if "ffcv" not in loader:
        monkeypatch.setattr("kbench.bench.loaders._prepare", lambda _: False)
    dataset = find_images(tmp_path, 600)
    workers = (1,) if "ffcv" in loader else (0,)
    contenders = list_contenders(dataset, 256, torch.device("cpu"), workers)
    (contender,) = (found for found in contenders if found.loader == loader)
    inputs = torch.cat([batch.clone() for batch in contender.make()(0)])
    assert inputs.shape == (600, 3, 32, 32)
    # Uniform bytes (mean 1/2) without the margin that a crop leaves: a shift of 0 to 4 pixels with
    # mean 20/9 along each axis keeps (1 - 20/9/32)^2 of the pixels; 600 images give 0.2 percent.
    fraction = (1 - 20 / 9 / 32) ** 2
    pixels = inputs * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    assert pixels.mean().item() == pytest.approx(fraction / 2, rel=0.01)
