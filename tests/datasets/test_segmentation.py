"""Weights of the classes, from masks that are counted by hand."""

import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.segmentation import CHUNK, IGNORED, inverse_frequencies


def test_weights_are_inverse_to_the_frequencies_with_mean_1():
    masks = torch.tensor([[[0, 0, 0, 0], [1, 1, 2, 255]]], dtype=torch.uint8)
    # 1/4, 1/2, 1 have the mean 7/12.
    expected = [3 / 7, 6 / 7, 12 / 7]
    assert inverse_frequencies(masks, 3).tolist() == pytest.approx(expected)


def test_class_without_a_pixel_weighs_nothing():
    masks = torch.tensor([[[0, 0], [0, 2]]], dtype=torch.uint8)
    # 1/3 and 1 have the mean 2/3.
    assert inverse_frequencies(masks, 4).tolist() == pytest.approx([0.5, 0, 1.5, 0])


def test_every_mask_counts():
    masks = torch.zeros(CHUNK + 3, 1, 2, dtype=torch.uint8)
    masks[-1] = 1
    share = 2 * (CHUNK + 2)
    weights = inverse_frequencies(masks, 2)
    assert float(weights[1] / weights[0]) == pytest.approx(share / 2)


def test_weights_are_those_of_the_training_masks():
    dataset = build_dataset("digits_scenes")
    masks = dataset.load("train").targets
    counts = [int((masks == c).sum()) for c in range(11)]
    inverse = torch.tensor([1 / c for c in counts])
    expected = inverse / inverse.mean()
    torch.testing.assert_close(dataset.class_weights(), expected)
    assert dataset.class_weights() is dataset.class_weights()
    assert IGNORED not in range(dataset.num_classes)
