"""Scenes against the rules of N-Jet, section 6: quadrants, cut, overlap, classes."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kbench.datasets import build_dataset
from kbench.datasets.scenes import SceneOptions, draw_scenes, enlarge, paste

NOWHERE = Path("no-such-folder")
IGNORED = 255


def literal_paste(image, mask, pixels, centre, number):
    """Pixel by pixel."""
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            row = centre[0] - pixels.shape[0] // 2 + y
            column = centre[1] - pixels.shape[1] // 2 + x
            if not (0 <= row < image.shape[0] and 0 <= column < image.shape[1]):
                continue
            if pixels[y, x] > image[row, column]:
                image[row, column], mask[row, column] = pixels[y, x], number


@pytest.mark.parametrize("centre", [(5, 6), (0, 0), (11, 0), (0, 11), (11, 11), (2, 9)], ids=str)
@pytest.mark.parametrize("side", [3, 4, 30], ids=["odd", "even", "larger"])
def test_object_is_pasted_pixel_by_pixel(side, centre):
    generator = np.random.default_rng(side)
    image = generator.integers(0, 200, (12, 12), np.uint8)
    mask = generator.integers(0, 5, (12, 12), np.uint8)
    pixels = generator.integers(0, 256, (side, side), np.uint8)
    expected = image.copy(), mask.copy()
    literal_paste(*expected, pixels, centre, 7)
    paste(image, mask, pixels, centre, 7)
    np.testing.assert_array_equal(image, expected[0])
    np.testing.assert_array_equal(mask, expected[1])


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_object_is_enlarged_bilinearly(factor):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5), np.uint8)
    values = torch.from_numpy(pixels)[:, None].double()
    side = [5 * factor] * 2
    expected = F.interpolate(values, side, mode="bilinear", align_corners=False)[:, 0]
    # Rounded to 8 bits.
    np.testing.assert_allclose(enlarge(pixels, factor), expected, atol=0.5 + 1e-4)


def single_pixels(count):
    """Objects of one bright pixel in the middle, each of a class of its own."""
    objects = np.zeros((count, 3, 3), np.uint8)
    objects[:, 1, 1] = 255
    return objects, np.arange(count)


def test_every_scene_has_an_object_in_each_quadrant_and_uses_it_once():
    objects, classes = single_pixels(81)
    scenes = draw_scenes(objects, classes, SceneOptions((1,), 20, 0), 20, np.random.default_rng(0))
    assert scenes.images.shape == (20, 1, 20, 20)
    assert scenes.targets.shape == (20, 20, 20)
    seen = []
    for mask in scenes.targets:
        quadrants = [mask[y : y + 10, x : x + 10] for y in (0, 10) for x in (0, 10)]
        found = [q[q > 0].tolist() for q in quadrants]
        assert [len(f) for f in found] == [1, 1, 1, 1]
        seen += [c for f in found for c in f]
    assert len(set(seen)) == 80
    assert set(seen) <= set(range(1, 82))


def test_centres_are_uniform_in_their_quadrant():
    objects, classes = single_pixels(4000)
    options = SceneOptions((1,), 8, 0)
    scenes = draw_scenes(objects, classes % 10, options, 1000, np.random.default_rng(1))
    share = (scenes.images[:, 0] == 255).double().mean(0)
    # A place in 16 of each quadrant; of 1,000 scenes the standard error is 0.0077, four of them.
    torch.testing.assert_close(share, torch.full((8, 8), 1 / 16).double(), rtol=0, atol=0.031)


def test_factors_are_drawn_for_each_object():
    objects = np.full((4000, 1, 1), 255, np.uint8)
    options = SceneOptions((1, 2, 3, 4), 64, 0)
    classes = np.arange(4000) % 10
    scenes = draw_scenes(objects, classes, options, 1000, np.random.default_rng(2))
    # Squares of 1, 4, 9 and 16 pixels, few of which meet or leave the canvas: the mean of a
    # scene's four is 30, of 1,000 scenes with a standard error of 0.36.
    bright = (scenes.images == 255).flatten(1).sum(1).double().mean()
    assert 27 < float(bright) < 31


def test_grey_decides_on_the_class():
    objects = np.array([[[0, 50, 51, 255]]] * 4, np.uint8)
    scenes = draw_scenes(
        objects, np.full(4, 6), SceneOptions((1,), 40, 0), 1, np.random.default_rng(5)
    )
    image, mask = scenes.images[0, 0], scenes.targets[0]
    # 0 is background, 0.2 of 255 is 51, what lies between is ignored.
    assert (mask[image == 0] == 0).all()
    assert (mask[image == 50] == 255).all()
    assert (mask[image >= 51] == 7).all()
    assert {50, 51, 255} <= set(image.unique().tolist())


@pytest.mark.parametrize(("scale", "side"), [(1, 56), (2, 112), (4, 224), ("mixed", 224)], ids=str)
def test_facts_are_those_of_the_specification(scale, side):
    dataset = build_dataset("fashion_scenes", NOWHERE, scale=scale)
    assert dataset.task == "segmentation"
    assert dataset.input_shape == (1, side, side)
    assert dataset.split_sizes == {"train": 15_000, "test": 2500}
    assert dataset.num_classes == len(dataset.class_names) == 11
    assert dataset.scored_classes == tuple(range(1, 11))


def test_options_are_the_scales_and_the_seed_of_the_scenes():
    assert build_dataset("fashion_scenes", NOWHERE, scale="mixed").options.scales == (1, 2, 3, 4)
    dataset = build_dataset("fashion_scenes", NOWHERE, scale=2, canvas=64, seed=9, count=4)
    assert dataset.options == ((2,), 64, 9)
    assert dataset.split_sizes == {"train": 4, "test": 2500}


def test_scenes_are_of_the_images_of_their_split(write_small):
    root, arrays = write_small("fashion_mnist")
    dataset = build_dataset("fashion_scenes", root, count=3, test_count=1, canvas=400)
    for split, count in (("train", 3), ("test", 1)):
        scenes = dataset.load(split)
        assert scenes.images.shape == (count, 1, 400, 400)
        assert scenes.images.dtype == scenes.targets.dtype == torch.uint8
        images, targets = arrays[split]
        # Noise of 0 to 255 has every grey: the classes that occur are those of the split.
        known = {0, IGNORED, *(int(t) + 1 for t in targets)}
        assert set(scenes.targets.unique().tolist()) <= known
        # On so large a canvas a corner of an object is its corner in the file.
        assert scenes.images.count_nonzero() <= 4 * count * 784
        assert int(scenes.images.sum()) <= int(images.astype(np.int64).sum())


def test_scenes_are_fixed_by_their_seed():
    first, again, other = (build_dataset("digits_scenes", seed=s).load("test") for s in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.images, other.images)


def test_digits_make_359_and_90_scenes():
    dataset = build_dataset("digits_scenes", scale=2)
    assert {s: tuple(dataset.load(s).images.shape) for s in ("train", "test")} == {
        "train": (359, 1, 32, 32),
        "test": (90, 1, 32, 32),
    }
    assert dataset.load("test").targets.unique().tolist() == [*range(11), 255]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 15_001}, "count (=15001) must be 1 to 15000: an object is used once"),
        ({"test_count": 0}, "test_count (=0) must be 1 to 2500"),
        ({"scale": 3}, "scale (=3) must be one of [1, 2, 4, 'mixed']"),
        ({"canvas": 57}, "canvas (=57) must be even and >= 2"),
        ({"seed": -1}, "seed (=-1) must be >= 0"),
    ],
    ids=["count", "test_count", "scale", "canvas", "seed"],
)
def test_option_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_dataset("fashion_scenes", NOWHERE, **options)
