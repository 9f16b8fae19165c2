import io

import numpy as np
import pytest
import torch
from PIL import Image

from kbench.datasets.beton import import_ffcv
from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import DatasetError, UnsupportedError
from kbench.storage import Storage

pytestmark = pytest.mark.ffcv
# FFCV's numbers of how a picture is stored.
JPEG, RAW = 0, 1


@pytest.fixture(scope="module")
def module():
    import_ffcv()
    from kbench.datasets import beton_samples

    return beton_samples


@pytest.fixture
def pictures(tmp_path):
    generator = np.random.default_rng(0)
    paths = tuple(tmp_path / f"{index:02}.png" for index in range(20))
    for index, path in enumerate(paths):
        pixels = generator.integers(0, 256, (8 + index, 6, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return FileSplit(paths, torch.arange(20) % 7)


def test_images_in_memory_are_stored_as_they_are(module):
    images = torch.arange(24, dtype=torch.uint8).view(2, 1, 3, 4)
    samples = list(module.encode_samples(Split(images, torch.tensor([5, 6])), Storage(), 0, 2))
    assert [sample.metadata for sample in samples] == [((), 5), ((), 6)]
    assert [sample.data.tolist() for sample in samples] == images.flatten(1).tolist()


def test_pictures_that_are_not_compressed_are_their_pixels(module, pictures):
    samples = list(module.encode_samples(pictures, Storage(jpeg_share=0), 0, 2))
    for sample, path, target in zip(samples, pictures.paths, pictures.targets, strict=True):
        pixels = np.asarray(Image.open(path))
        height, width = pixels.shape[:2]
        assert sample.metadata == ((RAW, width, height), int(target))
        assert sample.data.tobytes() == pixels.tobytes()


def test_compressed_pictures_are_jpegs_of_their_size(module, pictures):
    for sample in module.encode_samples(pictures, Storage(jpeg_share=1), 0, 2):
        (mode, width, height), _ = sample.metadata
        picture = Image.open(io.BytesIO(sample.data.tobytes()))
        assert (mode, picture.format) == (JPEG, "JPEG")
        assert picture.size == (width, height)


def test_long_pictures_are_shrunk_and_short_ones_stay(module, pictures):
    samples = module.encode_samples(pictures, Storage(max_side=12, jpeg_share=0), 0, 1)
    sizes = [sample.metadata[0][1:] for sample in samples]
    assert sizes[:5] == [(6, 8), (6, 9), (6, 10), (6, 11), (6, 12)]
    assert all(max(size) == 12 for size in sizes[5:])


@pytest.mark.parametrize("start", [0, 7, 19])
def test_samples_depend_neither_on_the_start_nor_on_the_workers(module, pictures, start):
    expected = list(module.encode_samples(pictures, Storage(), 0, 1))[start:]
    found = list(module.encode_samples(pictures, Storage(), start, 3))
    modes = {sample.metadata[0][0] for sample in module.encode_samples(pictures, Storage(), 0, 1)}
    assert len(modes) == 2
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.metadata == theirs.metadata
        assert ours.data.tobytes() == theirs.data.tobytes()


def test_a_damaged_picture_is_named(module, pictures):
    path = pictures.paths[3]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"picture '.*03\.png' cannot be read"):
        list(module.encode_samples(pictures, Storage(), 0, 2))
    with pytest.raises(DatasetError, match=r"picture '.*03\.png' cannot be read"):
        module.read_pixels(path)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), "8 bits, not torch.float32"),
        (
            torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
            torch.zeros(2, 4, 4, dtype=torch.uint8),
            "a class number per image, not targets",
        ),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2), "a class number per image"),
    ],
    ids=["fractions", "masks", "values"],
)
def test_what_betons_cannot_hold_is_refused(module, images, targets, message):
    with pytest.raises(UnsupportedError, match=message):
        module.find_fields(Split(images, targets))


@pytest.mark.parametrize("side", [500, 1600, None])
def test_the_largest_picture_fits_into_a_page(module, side):
    # A picture of any size: 5,000 x 4,000 pixels, which the module promises.
    pixels = 5000 * 4000 if side is None else side**2
    assert module.find_page_size(Storage(max_side=side)) >= 3 * pixels
