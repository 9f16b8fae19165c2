"""Patches, against scikit-learn's own reader of its photographs."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from kbench.datasets import build_dataset
from kbench.errors import DatasetError


@pytest.mark.parametrize(("photograph", "row", "column"), [("china", 0, 629), ("flower", 416, 3)])
def test_patch_is_that_of_scikit_learn(photograph, row, column):
    dataset = build_dataset("photograph_patch", photograph=photograph, row=row, column=column)
    pixels = load_sample_image(f"{photograph}.jpg")[row : row + 11, column : column + 11]
    loaded = dataset.load("train")
    assert dataset.input_shape == (3, 11, 11)
    assert loaded.images.shape == (1, 3, 11, 11)
    expected = pixels.transpose(2, 0, 1) / 255
    # Float32.
    np.testing.assert_allclose(loaded.targets[0].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photograph": "face"}, r"photograph \(='face'\) must be one of \['china', 'flower'\]"),
        ({"size": 1}, r"size \(=1\) must be 2 to 427"),
        ({"row": 417}, r"row \(=417\) must be 0 to 416 for a size of 11"),
        ({"column": -1}, r"column \(=-1\) must be 0 to 629 for a size of 11"),
        ({"size": 428}, r"size \(=428\) must be 2 to 427"),
    ],
    ids=str,
)
def test_square_outside_of_the_photograph_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_dataset("photograph_patch", **options)


def test_missing_scikit_learn_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("kbench.datasets.photograph_patch.find_spec", lambda _: None)
    dataset = build_dataset("photograph_patch", tmp_path)
    message = r"no file 'china\.jpg' in .*; get it with: pip install .*scikit-learn"
    with pytest.raises(DatasetError, match=message):
        dataset.load("train")
