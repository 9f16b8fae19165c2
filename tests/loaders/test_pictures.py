"""Statistics of what torchvision and timm do to one picture."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms.v2 import functional as F

from kbench.loaders.augmentation import Changes
from kbench.loaders.pictures import PictureChanges, build_eraser, move, seeded
from kbench.recipe import Augmentation

RAMP = torch.arange(60, dtype=torch.uint8)
# Red is the column, green the row: a crop tells where it comes from.
PLACES = torch.stack((RAMP.expand(60, 60), RAMP[:, None].expand(60, 60), RAMP.expand(60, 60)))


def changes_of(augmentation, sides=(60, 60)):
    is_cut = augmentation.random_resized_crop or augmentation.size is not None
    return PictureChanges(augmentation, sides, (0.5,) * 3, is_cut=is_cut)


def test_random_resized_crops_have_torchvisions_areas_and_ratios():
    changes = changes_of(Augmentation(random_resized_crop=True, size=60))
    picture, areas, ratios = F.to_pil_image(PLACES), [], []
    with seeded(np.random.default_rng(0)):
        for _ in range(1500):
            part = np.asarray(changes.cut(picture, 0), float)
            # The middle half is free of the borders that a resize repeats.
            width = 2 * (part[30, 45, 0] - part[30, 15, 0])
            height = 2 * (part[45, 30, 1] - part[15, 30, 1])
            areas.append(width * height / 3600)
            ratios.append(np.log(width / height) if height else 0)
    # Uniform in 0.08 to 1, but for those that do not fit, and the rounding of sides.
    assert 0.06 < min(areas) < 0.12
    assert np.mean(areas) == pytest.approx(0.51, abs=0.05)
    assert np.var(areas) == pytest.approx(0.92**2 / 12, rel=0.25)
    assert np.mean(ratios) == pytest.approx(0, abs=0.02)
    assert max(np.abs(ratios)) < np.log(4 / 3) + 0.15


def test_smallest_area_is_the_recipes():
    changes = changes_of(Augmentation(random_resized_crop=True, min_crop_area=0.9))
    picture = F.to_pil_image(PLACES)
    with seeded(np.random.default_rng(0)):
        parts = [np.asarray(changes.cut(picture, 0), float) for _ in range(100)]
    assert all(np.ptp(part[..., 0]) * np.ptp(part[..., 1]) > 0.8 * 3600 for part in parts)
    assert {part.shape for part in parts} == {(60, 60, 3)}


@pytest.mark.parametrize("bits", ["rand-m10-n5", "rand-m9-mstd0.5-inc1", "rand-m10-inc1-p1.0"])
def test_randaugment_keeps_shape_and_type(bits):
    changes = changes_of(Augmentation(randaugment=bits))
    with seeded(np.random.default_rng(0)):
        found = [changes.finish(F.to_pil_image(PLACES), None) for _ in range(120)]
    assert {(image.shape, image.dtype) for image in found} == {((3, 60, 60), torch.uint8)}
    assert sum(not torch.equal(image, PLACES) for image in found) > 30


def test_color_jitter_changes_brightness_within_its_range():
    changes = changes_of(Augmentation(color_jitter=0.4))
    grey = Image.new("RGB", (4, 4), (100, 100, 100))
    with seeded(np.random.default_rng(0)):
        found = [int(changes.finish(grey, None)[0, 0, 0]) for _ in range(400)]
    # Contrast and saturation leave one grey as it is.
    assert (min(found), max(found)) == (pytest.approx(60, abs=2), pytest.approx(140, abs=2))
    assert stats.kstest(found, stats.uniform(60, 80).cdf).pvalue > 1e-3


def test_moves_are_those_of_the_batch():
    moves = Changes(2, np.array([[0, 4], [1, 2]]), np.array([False, True]))
    first, second = (move(PLACES[:, :5, :5], moves, index) for index in (0, 1))
    padded = torch.nn.functional.pad(PLACES[:, :5, :5], (2,) * 4)
    assert torch.equal(first, padded[:, :5, 1:6])
    assert torch.equal(second, padded[:, 4:, 2:7].flip(2))


def test_seeds_decide_and_are_given_back():
    torch.manual_seed(1)
    random.seed(1)
    before = torch.get_rng_state(), random.getstate()
    drawn = []
    for seed in (3, 3, 4):
        with seeded(np.random.default_rng(seed)):
            drawn.append((random.getrandbits(32), float(torch.rand(()))))
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_erasing_is_timms_and_off_by_default():
    assert build_eraser(Augmentation()) is None
    eraser = build_eraser(Augmentation(random_erasing=1.0, random_erasing_mode="const"))
    erased = eraser(torch.ones(40, 1, 16, 16)) == 0
    assert ((erased.sum((1, 2, 3)) > 0).double().mean()) > 0.9
