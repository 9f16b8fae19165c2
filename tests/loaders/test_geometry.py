import numpy as np
import pytest
import torch
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.transforms.v2 import functional as F

from kbench.loaders.geometry import resize, rotate


def noise(*shape):
    return torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize(("angle", "turns"), [(0.0, 0), (90.0, 1), (180.0, 2), (-90.0, 3)])
def test_right_angles_turn_a_square(angle, turns):
    images = noise(2, 3, 8, 8)
    assert torch.equal(rotate(images, np.full(2, angle)), images.rot90(turns, (2, 3)))


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32], ids=["bytes", "fractions"])
@pytest.mark.parametrize("sides", [(32, 32), (9, 14)], ids=str)
def test_rotation_is_torchvisions_but_for_ties(sides, kind):
    images = noise(40, 3, *sides).to(kind)
    angles = np.random.default_rng(0).uniform(-15, 15, 40)
    expected = torch.stack(
        [F.rotate(image, angle) for image, angle in zip(images, angles, strict=True)]
    )
    found = rotate(images, angles)
    assert found.dtype == kind
    # torchvision rounds places in float32: one in some ten thousand lies between two pixels.
    assert (found != expected).double().mean() < 1e-3


def test_margins_of_a_rotation_are_black():
    found = rotate(torch.full((1, 1, 20, 20), 7, dtype=torch.uint8), np.array([45.0]))
    assert found[0, 0, 0, 0] == 0
    assert found[0, 0, 10, 10] == 7


@pytest.mark.parametrize("side", [5, 16, 32, 50])
def test_resize_is_pils_up_to_one_level(side):
    images = noise(6, 3, 32, 32)
    expected = torch.stack(
        [pil_to_tensor(F.resize(to_pil_image(image), [side, side])) for image in images]
    )
    difference = resize(images, side).int() - expected.int()
    # PIL rounds after each axis.
    assert difference.abs().max() <= (0 if side == 32 else 1)


def test_fractions_are_resized_without_rounding():
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    expected = F.resize(images, [6, 6], antialias=True)
    torch.testing.assert_close(resize(images, 6), expected)


@pytest.mark.gpu
def test_gpu_gives_the_same_pixels():
    images, angles = noise(64, 3, 32, 32), np.random.default_rng(0).uniform(-15, 15, 64)
    assert torch.equal(rotate(images.cuda(), angles).cpu(), rotate(images, angles))
    difference = resize(images.cuda(), 16).cpu().int() - resize(images, 16).int()
    # Sums in another order fall on the other side of a half now and then.
    assert difference.abs().max() <= 1
