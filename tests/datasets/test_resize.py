import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from kbench.datasets.resize import CHUNK, check_size, resize_images


@pytest.mark.parametrize("size", [5, 12, 17], ids=["smaller", "one-more", "larger"])
def test_resize_equals_torchvision(size):
    images = torch.rand(CHUNK + 3, 1, 11, 11, generator=torch.Generator().manual_seed(0))
    expected = resize(images, [size, size], InterpolationMode.BILINEAR, antialias=True)
    torch.testing.assert_close(resize_images(images, size), expected)


def test_bytes_become_fractions():
    images = torch.tensor([[[[0, 255], [255, 0]]]], dtype=torch.uint8)
    # Bilinear at half-pixel centres: a quarter and three quarters of the way between the corners.
    row, mirrored = [0.0, 0.25, 0.75, 1.0], [1.0, 0.75, 0.25, 0.0]
    result = resize_images(images, 4)
    assert result[0, 0, 0].tolist() == row
    assert result[0, 0, 3].tolist() == mirrored


def test_native_size_stays_exact():
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert resize_images(images, 8) is images


def test_negative_size_is_refused():
    with pytest.raises(ValueError, match=r"size \(=-1\) must be >= 1"):
        check_size(-1)
