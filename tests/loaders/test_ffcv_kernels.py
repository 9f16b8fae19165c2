import io

import numpy as np
import pytest
from PIL import Image

from kbench.datasets.beton import import_ffcv

pytestmark = pytest.mark.ffcv
VALUES = np.arange(3 * 256, dtype=np.float32).reshape(3, 256)
JPEG, RAW = 0, 1


@pytest.fixture(scope="module")
def module():
    import_ffcv()
    from kbench.loaders import ffcv_kernels

    return ffcv_kernels


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), np.uint8)


def read_images(module, pixels, rows):
    rows = np.array(rows)
    places = np.arange(len(pixels)) * pixels[0].size + 7
    content = np.concatenate([np.zeros(7, np.uint8), pixels.reshape(-1)])
    result = np.empty((len(rows), *pixels.shape[1:]), np.float32)
    module.image_kernel()(content, places, rows, VALUES, result)
    return result


def look_up(images):
    """Return the values of pixels (B, C, H, W)."""
    return np.stack([VALUES[channel][images[:, channel]] for channel in range(3)], 1)


def test_images_come_in_the_order_of_the_rows(module, pixels):
    rows = [(number, 0, 0, 5, 6, 0) for number in (2, 0, 2)]
    assert (read_images(module, pixels, rows) == look_up(pixels[[2, 0, 2]])).all()


@pytest.mark.parametrize(("top", "left"), [(-2, 3), (4, -5), (-5, 0), (0, 6)])
@pytest.mark.parametrize("mirrored", [0, 1])
def test_what_lies_outside_is_the_value_of_black(module, pixels, top, left, mirrored):
    padded = np.pad(pixels[1], ((0, 0), (6, 6), (6, 6)))
    expected = padded[:, 6 + top : 11 + top, 6 + left : 12 + left]
    expected = expected[..., ::-1] if mirrored else expected
    found = read_images(module, pixels, [(1, top, left, 5, 6, mirrored)])
    assert (found == look_up(expected[None])).all()


@pytest.mark.parametrize("mode", [RAW, JPEG], ids=["raw", "jpeg"])
@pytest.mark.parametrize("mirrored", [0, 1])
def test_pictures_without_a_change_of_size_keep_their_pixels(module, mode, mirrored):
    coarse = np.random.default_rng(1).integers(0, 256, (4, 4, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((24, 16), Image.Resampling.BICUBIC)
    data, expected = np.asarray(picture).reshape(-1), np.asarray(picture)
    if mode == JPEG:
        stream = io.BytesIO()
        picture.save(stream, "jpeg", quality=95, subsampling=0)
        data, expected = np.frombuffer(stream.getvalue(), np.uint8), np.asarray(Image.open(stream))
    content = np.concatenate([np.zeros(5, np.uint8), data])
    samples = np.array([(5, len(data), mode, 16, 24)])
    result = np.empty((1, 3, 8, 8), np.float32)
    rows = np.array([(0, 3, 9, 8, 8, mirrored)])
    module.picture_kernel()(content, samples, rows, VALUES, result)
    part = expected[3:11, 9:17].transpose(2, 0, 1)[None]
    part = part[..., ::-1] if mirrored else part
    # Two decoders differ by a few levels a pixel, another part or side of the picture by many more.
    assert np.abs(result - look_up(part)).mean() <= (4 if mode == JPEG else 0)
