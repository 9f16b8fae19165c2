import numpy as np
import pytest
from PIL import Image

from kbench.datasets.picture import read_picture
from kbench.errors import DatasetError


@pytest.fixture
def colours():
    return np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_every_mode_becomes_rgb(tmp_path, colours, mode):
    path = tmp_path / "picture.png"
    Image.fromarray(colours).convert(mode).save(path)
    picture = read_picture(path)
    assert picture.mode == "RGB"
    assert picture.size == (30, 40)


def test_pixels_of_a_lossless_picture_are_exact(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "picture.png")
    assert np.array_equal(np.asarray(read_picture(tmp_path / "picture.png")), colours)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_picture_is_named(tmp_path, colours, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(colours).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DatasetError, match=rf"picture '{path}' cannot be read: .*truncated"):
        read_picture(path)


@pytest.mark.parametrize("content", [b"", b"no picture"], ids=["empty", "text"])
def test_other_file_is_named(tmp_path, content):
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"picture '{path}' cannot be read: cannot identify"):
        read_picture(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"picture '.*gone\.png' cannot be read: .*No such file"):
        read_picture(tmp_path / "gone.png")
