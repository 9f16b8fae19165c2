import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from kbench.errors import UnsupportedError
from kbench.loaders.augmentation import draw_changes
from kbench.loaders.ffcv_rows import (
    Sizes,
    centre_boxes,
    check_augmentation,
    draw_boxes,
    draw_rows,
)
from kbench.loaders.randomness import augmentation_generator
from kbench.recipe import Augmentation


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def sides(count, height, width):
    return np.full(count, height), np.full(count, width)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (50, 50)], ids=["wide", "square"])
def test_boxes_have_torchvisions_distribution(generator, height, width):
    count, area = 2000, (0.08, 1.0)
    found = draw_boxes(*sides(count, height, width), area, generator)
    crop = v2.RandomResizedCrop(8, scale=area)
    picture = torch.empty(1, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        params = [crop.make_params([picture]) for _ in range(count)]
    for column, key in enumerate(("top", "left", "height", "width")):
        expected = [param[key] for param in params]
        # Two samples of one distribution pass with 99.9 percent; the seeds are fixed.
        assert stats.ks_2samp(found[:, column], expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(10, 100, (0, 43, 10, 13)), (100, 10, (43, 0, 13, 10))],
    ids=["wide", "tall"],
)
def test_where_no_trial_fits_the_centre_has_the_nearest_ratio(generator, height, width, expected):
    """A share of the area of 0.9 or more never fits; torchvision falls back to the same box."""
    found = draw_boxes(*sides(3, height, width), (0.9, 1.0), generator)
    crop = v2.RandomResizedCrop(8, scale=(0.9, 1.0))
    param = crop.make_params([torch.empty(1, height, width)])
    assert tuple(param[key] for key in ("top", "left", "height", "width")) == expected
    assert found.tolist() == [list(expected)] * 3


def test_centre_is_that_of_resize_and_crop():
    """256 of 224: 7/8 of the shorter side, in the middle."""
    found = centre_boxes(np.array([256, 512, 300]), np.array([256, 800, 200]), 224, 0.875)
    assert found.tolist() == [[16, 16, 224, 224], [32, 176, 448, 448], [62, 12, 175, 175]]


def test_crops_and_flips_are_the_drawn_ones_of_the_other_loaders():
    augmentation = Augmentation(crop_padding=4, flip=True)
    chosen = np.array([5, 1, 7, 3])
    rows = draw_rows(augmentation, chosen, Sizes(*sides(8, 32, 30)), None, (0, 2, 1))
    changes = draw_changes(augmentation, 4, augmentation_generator(0, 2, 1))
    assert rows[:, 0].tolist() == chosen.tolist()
    assert (rows[:, 1:3] + 4).T.tolist() == changes.corners.tolist()
    assert rows[:, 3:5].tolist() == [[32, 30]] * 4
    assert rows[:, 5].tolist() == changes.mirrored.tolist()


@pytest.mark.parametrize(
    ("augmentation", "is_file_backed", "field"),
    [
        (Augmentation(randaugment="rand-m9"), True, "randaugment"),
        (Augmentation(crop_padding=4), True, "crop_padding"),
        (Augmentation(size=32, interpolation="bicubic"), True, "interpolation"),
        (Augmentation(random_resized_crop=True), False, "random_resized_crop"),
        (Augmentation(rotation=5.0), False, "rotation"),
    ],
    ids=["randaugment", "padding", "bicubic", "resized-crop", "rotation"],
)
def test_what_cannot_be_done_is_refused(augmentation, is_file_backed, field):
    message = rf"loader 'ffcv' cannot do augmentation.{field} \(=.*loader 'torch' can"
    with pytest.raises(UnsupportedError, match=message):
        check_augmentation(augmentation, is_file_backed=is_file_backed)


@pytest.mark.parametrize(
    ("augmentation", "is_file_backed"),
    [
        (Augmentation(crop_padding=4, flip=True, mixup=0.2, random_erasing=0.1), False),
        (Augmentation(random_resized_crop=True, flip=True, cutmix=1.0, repeats=3), True),
        (Augmentation(size=160, test_size=224).for_test(), True),
    ],
    ids=["images", "pictures", "evaluation"],
)
def test_what_can_be_done_is_let_through(augmentation, is_file_backed):
    check_augmentation(augmentation, is_file_backed=is_file_backed)
