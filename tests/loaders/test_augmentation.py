import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import crop, hflip, normalize, pad, to_tensor

from kbench.loaders import augmentation as module
from kbench.loaders.augmentation import (
    UNCHANGED,
    Changes,
    draw_changes,
    normalise,
    take_images,
    to_channels_last,
)
from kbench.recipe import Augmentation

CROP_AND_FLIP = Augmentation(crop_padding=4, flip=True)


def draw(augmentation, count, seed=0):
    return draw_changes(augmentation, count, np.random.default_rng(seed))


def take_all(images, changes, margin=0):
    return take_images(images, torch.arange(len(images), device=images.device), changes, margin)


def changed_one_by_one(images, changes, margin=0):
    """The literal form: torchvision's functions on one image after the other."""
    results = []
    for index, image in enumerate(images):
        top, left = changes.corners[:, index].tolist()
        padded = pad(image, [changes.padding], margin)
        result = crop(padded, top, left, *image.shape[1:])
        results.append(hflip(result) if changes.mirrored[index] else result)
    return torch.stack(results)


@st.composite
def batches(draw_value):
    shape = [draw_value(st.integers(1, 6)) for _ in range(4)]
    kind = draw_value(st.sampled_from([torch.uint8, torch.float32]))
    seed = draw_value(st.integers(0, 1000))
    images = torch.randint(1, 256, shape, generator=torch.Generator().manual_seed(seed)).to(kind)
    settings_of_batch = Augmentation(
        crop_padding=draw_value(st.integers(0, 5)), flip=draw_value(st.booleans())
    )
    return images, draw(settings_of_batch, shape[0], seed)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(batches(), st.sampled_from([0, 200]))
def test_pixels_are_those_of_torchvision_one_by_one(batch, margin):
    images, changes = batch
    margin = 0 if images.is_floating_point() else margin
    before = images.clone()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    result = take_images(images, order, changes, margin)
    assert result.dtype == images.dtype
    assert torch.equal(result, changed_one_by_one(images[order], changes, margin))
    assert torch.equal(images, before)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(batches())
def test_tensor_form_equals_the_cpu_form(batch):
    images, changes = batch
    order = torch.arange(len(images)).flip(0)
    expected = module._take(images, order, changes, 0)
    assert torch.equal(module._take_on_cpu(images, order, changes, 0), expected)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32], ids=["bytes", "fractions"])
def test_normalise_has_the_same_bits_in_both_forms(kind):
    images = torch.arange(2 * 3 * 256).view(2, 3, 16, 16).remainder(256).to(kind)
    images = images / 255 if kind is torch.float32 else images
    mean = torch.tensor([0.49, 0.48, 0.44]).view(3, 1, 1)
    std = torch.tensor([0.24, 0.25, 0.26]).view(3, 1, 1)
    before = images.clone()
    result = normalise(images, mean, std)
    assert result.dtype == torch.float32
    assert torch.equal(result, module._normalise(images, mean, std))
    assert torch.equal(images, before)


def test_normalise_equals_torchvision_bit_for_bit():
    image = torch.arange(3 * 256).view(3, 16, 16).remainder(256).to(torch.uint8)
    mean, std = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
    expected = normalize(to_tensor(image.permute(1, 2, 0).numpy()), mean, std)
    result = normalise(
        image[None], torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    )
    assert torch.equal(result[0], expected)


def test_margin_of_a_crop_is_zero():
    corners = np.zeros((2, 1), np.int64)
    changes = Changes(2, corners, np.zeros(1, np.bool_))
    result = take_all(torch.full((1, 1, 3, 3), 9, dtype=torch.uint8), changes)
    assert result[0, 0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 9]]


def test_nothing_drawn_changes_nothing():
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(take_all(images, draw(Augmentation(), 3)), images)
    assert torch.equal(take_all(images, UNCHANGED), images)


def test_same_generator_state_draws_the_same():
    first, second, other = (draw(CROP_AND_FLIP, 64, seed) for seed in (1, 1, 2))
    assert (first.corners == second.corners).all()
    assert (first.mirrored == second.mirrored).all()
    assert (first.corners != other.corners).any()


def test_corners_are_uniform():
    count = 81_000
    changes = draw(CROP_AND_FLIP, count)
    cells = np.bincount(changes.corners[0] * 9 + changes.corners[1], minlength=81)
    assert len(cells) == 81
    # Chi-square with 80 degrees of freedom: mean 80, standard deviation 12.6; five of these.
    assert ((cells - 1000.0) ** 2 / 1000).sum() < 80 + 5 * 12.7


@pytest.mark.parametrize("padding", [0, 4], ids=["flip-alone", "with-crop"])
def test_half_of_the_images_are_mirrored(padding):
    count = 40_000
    mirrored = draw(Augmentation(crop_padding=padding, flip=True), count).mirrored
    # Five standard deviations of a binomial.
    assert abs(mirrored.sum() - count / 2) < 5 * np.sqrt(count / 4)


def test_flip_does_not_depend_on_the_corner():
    changes = draw(CROP_AND_FLIP, 40_000)
    correlation = np.corrcoef(np.vstack([changes.corners, changes.mirrored]))
    # Five standard deviations of a correlation of independent values.
    assert np.abs(correlation - np.eye(3)).max() < 5 / np.sqrt(40_000)


def test_images_are_taken_in_order():
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 2, 2).contiguous()
    taken = take_images(images, torch.tensor([3, 0, 3]), UNCHANGED)
    assert taken[:, 0, 0, 0].tolist() == [3, 0, 3]


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_channels_last_keeps_the_values(channels):
    inputs = torch.rand(2, channels, 4, 5)
    result = to_channels_last(inputs)
    assert torch.equal(result, inputs)
    assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.gpu
def test_gpu_makes_the_same_pixels():
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    changes = draw(CROP_AND_FLIP, 64)
    mean, std = torch.full((3, 1, 1), 0.45), torch.full((3, 1, 1), 0.22)
    expected = normalise(take_all(images, changes), mean, std)
    result = normalise(take_all(images.cuda(), changes), mean.cuda(), std.cuda())
    assert torch.equal(result.cpu(), expected)
