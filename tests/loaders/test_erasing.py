import random

import numpy as np
import pytest
import torch
from scipy import stats
from timm.data.random_erasing import RandomErasing

from kbench.loaders.erasing import draw_patches, erase
from kbench.recipe import Augmentation

ALWAYS = Augmentation(random_erasing=1.0)


def patches(augmentation=ALWAYS, shape=(400, 3, 32, 24), seed=0):
    return draw_patches(augmentation, shape, np.random.default_rng(seed))


def test_a_patch_stands_in_its_place_and_nowhere_else():
    inputs = torch.full((400, 3, 32, 24), 9.0)
    drawn = patches()
    erased = erase(inputs, drawn)
    assert (inputs == 9).all()
    for patch in drawn:
        height, width = patch.values.shape[1:]
        image = erased[patch.index]
        part = image[:, patch.top : patch.top + height, patch.left : patch.left + width]
        assert torch.equal(part, torch.from_numpy(patch.values))
        assert int((image != 9).sum()) == patch.values.size


@pytest.mark.parametrize(
    ("mode", "colours"), [("const", {1}), ("rand", {3}), ("pixel", None)], ids=str
)
def test_modes_fill_with_black_a_colour_or_noise(mode, colours):
    drawn = patches(Augmentation(random_erasing=1.0, random_erasing_mode=mode))
    found = {len(np.unique(patch.values)) for patch in drawn if patch.values.size > 30}
    assert found == colours if colours else min(found) > 30


def test_noise_is_normal():
    values = np.concatenate([patch.values.ravel() for patch in patches()])[:5000]
    assert stats.kstest(values, stats.norm.cdf).pvalue > 1e-3


def test_share_of_erased_images():
    drawn = patches(Augmentation(random_erasing=0.25), (8000, 1, 8, 8))
    # Five standard deviations of a binomial; of so small images hardly one attempt fails.
    assert abs(len(drawn) - 2000) < 5 * np.sqrt(8000 * 0.1875)


def test_areas_and_places_are_drawn_as_timms():
    random.seed(1)
    eraser = RandomErasing(1.0, mode="pixel", device="cpu")
    erased = eraser(torch.full((1500, 1, 32, 24), 9.0))[:, 0] != 9
    found = patches(shape=(1500, 1, 32, 24))
    areas = [patch.values.size for patch in found]
    assert stats.ks_2samp(areas, erased.sum((1, 2)).numpy()).pvalue > 1e-3
    tops = erased.any(2).int().argmax(1).numpy()
    assert stats.ks_2samp([patch.top for patch in found], tops).pvalue > 1e-3
