import numpy as np
import pytest
import torch

from kbench.bench.loader_data import GivenImages, GivenPictures, draw_picture
from kbench.datasets.beton import import_ffcv
from kbench.datasets.beton_prepare import prepare_betons
from kbench.datasets.dataset import FileSplit, Split
from kbench.storage import Storage

pytestmark = pytest.mark.ffcv
STATISTICS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (7, 3, 6, 5), dtype=torch.uint8, generator=generator)
    dataset = GivenImages(tmp_path_factory.mktemp("images"), "x", Split(pixels, torch.arange(7)))
    (prepared,) = prepare_betons(dataset)
    return prepared.path, pixels


def open_beton(path, **changes):
    import_ffcv()
    from kbench.loaders.ffcv_reader import BetonReader

    given = {"device": torch.device("cpu"), "channels_last": False, "num_threads": 1}
    return BetonReader(path, **STATISTICS, **given | changes)


def whole(numbers):
    return np.array([(number, 0, 0, 6, 5, 0) for number in numbers])


def test_what_a_beton_holds_is_known(images):
    path, pixels = images
    reader = open_beton(path)
    assert reader.shape == tuple(pixels.shape[1:])
    assert reader.targets.tolist() == list(range(7))
    assert reader.sizes.height.tolist() == [6] * 7
    assert reader.sizes.width.tolist() == [5] * 7


@pytest.mark.parametrize("channels_last", [False, True])
def test_images_are_normalised(images, channels_last):
    path, pixels = images
    found = open_beton(path, channels_last=channels_last).read(whole([3, 0]))
    mean, std = (torch.tensor(STATISTICS[key]).view(3, 1, 1) for key in ("mean", "std"))
    assert torch.equal(found, (pixels[[3, 0]] / 255 - mean) / std)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("threads", [-1, 0, 1, 10_000])
def test_threads_are_at_least_one_and_at_most_the_cores(images, threads):
    path, _ = images
    assert torch.equal(
        open_beton(path, num_threads=threads).read(whole(range(7))),
        open_beton(path).read(whole(range(7))),
    )


def test_pictures_of_any_size_keep_their_sizes(tmp_path):
    generator = np.random.default_rng(0)
    paths = tuple(tmp_path / f"{index}.png" for index in range(5))
    for index, path in enumerate(paths):
        draw_picture(generator).resize((30 + index, 40 - index)).save(path)
    dataset = GivenPictures(tmp_path, "x", FileSplit(paths, torch.arange(5)))
    (prepared,) = prepare_betons(dataset, Storage(jpeg_share=0.5))
    reader = open_beton(prepared.path)
    assert reader.shape is None
    assert reader.sizes.width.tolist() == [30, 31, 32, 33, 34]
    assert reader.sizes.height.tolist() == [40, 39, 38, 37, 36]
    rows = np.array([(4, 0, 0, 36, 34, 0), (0, 5, 5, 20, 20, 1)])
    assert reader.read(rows, 16).shape == (2, 3, 16, 16)
