"""The photographs, against Pillow."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbench.datasets import build_dataset
from kbench.errors import DatasetError

NOWHERE = Path("no-such-folder")


def test_six_of_24_photographs_are_upright(real_dataset):
    for image in range(1, 25):
        dataset = real_dataset("kodak", image=image)
        with Image.open(dataset.folder / f"kodak/kodim{image:02}.png") as picture:
            assert dataset.input_shape == (3, picture.height, picture.width)


def test_target_is_the_photograph_in_0_to_1(real_dataset):
    dataset = real_dataset("kodak", image=4)
    with Image.open(dataset.folder / "kodak/kodim04.png") as picture:
        expected = np.array(picture, np.float64).transpose(2, 0, 1) / 255
    loaded = dataset.load("train")
    # Float32.
    np.testing.assert_allclose(loaded.targets[0].numpy(), expected, rtol=1e-6)
    assert loaded.images.shape == loaded.targets.shape == (1, 3, 768, 512)


def test_small_photograph_is_resized_as_pillow_does(real_dataset):
    dataset = real_dataset("kodak", image=1, long_side=96)
    with Image.open(dataset.folder / "kodak/kodim01.png") as picture:
        resized = picture.resize((96, 64), Image.Resampling.BILINEAR)
    expected = np.array(resized, np.float64).transpose(2, 0, 1) / 255
    assert dataset.input_shape == (3, 64, 96)
    # Pillow rounds to 8 bits after each axis.
    np.testing.assert_allclose(dataset.load("test").targets[0].numpy(), expected, atol=1.1 / 255)


def test_outputs_mean_shares_of_white():
    assert build_dataset("kodak", NOWHERE).value_range == (0.0, 1.0)


@pytest.mark.parametrize("image", [0, 25])
def test_unknown_photograph_is_refused(image):
    with pytest.raises(ValueError, match=rf"image \(={image}\) must be 1 to 24"):
        build_dataset("kodak", NOWHERE, image=image)


@pytest.mark.parametrize("side", [0, 97, 771])
def test_side_that_does_not_keep_the_shape_is_refused(side):
    with pytest.raises(ValueError, match=rf"long_side \(={side}\) must be a multiple of 3"):
        build_dataset("kodak", NOWHERE, long_side=side)


def test_absent_photographs_are_named(tmp_path):
    message = "no file 'kodak/kodim01.png' .* kbench data prepare kodak --download"
    with pytest.raises(DatasetError, match=message):
        build_dataset("kodak", tmp_path).load("train")
