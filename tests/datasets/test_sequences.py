"""Images as sequences, against loops over their pixels."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from kbench.datasets import build_dataset

NOWHERE = Path("no-such-folder")


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("smnist", {}, (1, 784)),
        ("smnist", {"stride": 4}, (1, 196)),
        ("pmnist", {"stride": 5}, (1, 157)),
        ("scifar10", {}, (3, 1024)),
        ("scifar10", {"stride": 4}, (3, 256)),
        ("npcifar10", {}, (96, 1000)),
        ("npcifar10", {"length": 64}, (96, 64)),
        ("digits_sequence", {}, (1, 64)),
        ("noise_sequence", {}, (3, 61)),
    ],
    ids=str,
)
def test_shapes_are_those_of_the_specification(name, options, shape):
    assert build_dataset(name, NOWHERE, **options).input_shape == shape


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("name", "images"), [("smnist", "mnist"), ("scifar10", "cifar10")])
def test_pixels_come_row_by_row(write_small, name, images, stride):
    root, arrays = write_small(images)
    loaded = build_dataset(name, root, stride=stride).load("train")
    pixels, targets = arrays["train"]
    expected = [
        [[image[c, y, x] for y in range(len(image[c])) for x in range(len(image[c]))][::stride]
         for c in range(len(image))]
        for image in pixels
    ]  # fmt: skip
    assert loaded.images.dtype == torch.uint8
    assert loaded.images.tolist() == np.array(expected).tolist()
    assert loaded.targets.tolist() == targets.tolist()


@pytest.mark.parametrize("stride", [1, 4])
def test_permutation_is_one_and_the_same(write_small, stride):
    root, _ = write_small("mnist")
    plain = build_dataset("smnist", root, stride=stride)
    permuted = build_dataset("pmnist", root, stride=stride, permutation_seed=3)
    order = permuted.order.tolist()
    assert sorted(order) == list(range(plain.input_shape[1])) != order
    for split in ("train", "test"):
        expected = plain.load(split).images[:, :, order]
        assert torch.equal(permuted.load(split).images, expected)


def test_permutation_depends_on_its_seed_alone():
    orders = [build_dataset("pmnist", NOWHERE, permutation_seed=s).order for s in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_permutation_of_seed_0_stays_what_it_is():
    # PCG64 and the shuffle of numpy 2.4: records of one version mean the same in another.
    assert build_dataset("pmnist", NOWHERE).order[:5].tolist() == [318, 2, 606, 446, 758]


class TestNoisePaddedCifar10:
    def test_row_r_is_step_r_and_then_noise_comes(self, write_small):
        root, arrays = write_small("cifar10")
        dataset = build_dataset("npcifar10", root)
        rows = dataset.load("test").images
        assert rows.shape == (5, 96, 32)
        sequence = dataset.complete(rows.to(torch.float32))
        assert sequence.shape == (5, *dataset.input_shape)
        pixels = arrays["test"][0]
        for sample, c, r, w in [(0, 0, 0, 0), (1, 2, 31, 30), (4, 1, 7, 19), (2, 0, 31, 1)]:
            assert sequence[sample, c * 32 + w, r] == pixels[sample, c, r, w]
        assert (sequence[:, :, 32:] == sequence[:1, :, 32:]).all()

    def test_noise_is_standard_normal_and_fixed_by_its_seed(self):
        noises = [build_dataset("npcifar10", NOWHERE, noise_seed=s).noise for s in (0, 0, 1)]
        assert noises[0].shape == (96, 968)
        # 92,928 numbers: four standard errors of the mean and of the deviation.
        assert abs(float(noises[0].mean())) < 4 / 92_928**0.5
        assert abs(float(noises[0].std()) - 1) < 4 / (2 * 92_928) ** 0.5
        assert torch.equal(noises[0], noises[1])
        assert not torch.equal(noises[0], noises[2])

    def test_statistics_are_repeated_for_every_column(self):
        dataset = build_dataset("npcifar10", NOWHERE)
        # FlexConv, section 6: channel c * 32 + w belongs to colour c.
        assert dataset.mean == (0.485,) * 32 + (0.456,) * 32 + (0.406,) * 32
        assert dataset.std == (0.229,) * 32 + (0.224,) * 32 + (0.225,) * 32

    def test_batches_keep_their_precision(self):
        dataset = build_dataset("npcifar10", NOWHERE, length=33)
        inputs = torch.zeros(2, 96, 32, dtype=torch.bfloat16)
        assert dataset.complete(inputs).dtype == torch.bfloat16


def test_images_of_digits_are_those_of_the_images():
    plain = build_dataset("digits").load("test")
    flat = build_dataset("digits_sequence", stride=2).load("test")
    assert torch.equal(flat.images, plain.images.reshape(360, 1, 64)[:, :, ::2])
    assert torch.equal(flat.targets, plain.targets)


def test_noise_is_drawn_for_every_split_anew():
    dataset = build_dataset("noise_sequence", channels=2, length=7, classes=3, count=40)
    splits = {split: dataset.load(split) for split in ("train", "val", "test")}
    assert {split: tuple(s.images.shape) for split, s in splits.items()} == {
        "train": (40, 2, 7),
        "val": (10, 2, 7),
        "test": (10, 2, 7),
    }
    assert splits["train"].images.dtype == torch.float32
    assert splits["train"].targets.unique().tolist() == [0, 1, 2]
    assert not torch.equal(splits["val"].images, splits["test"].images)
    assert torch.equal(splits["test"].images, dataset.load("test").images)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("smnist", {"stride": 0}, "stride (=0) must be 1 to 784, the steps of a sequence"),
        ("scifar10", {"stride": 1025}, "stride (=1025) must be 1 to 1024"),
        ("digits_sequence", {"stride": -1}, "stride (=-1) must be 1 to 64"),
        ("pmnist", {"permutation_seed": -1}, "permutation_seed (=-1) must be >= 0"),
        ("npcifar10", {"noise_seed": -2}, "noise_seed (=-2) must be >= 0"),
        ("npcifar10", {"length": 31}, "length (=31) must be >= 32"),
        ("noise_sequence", {"classes": 1}, "classes (=1) must be >= 2"),
        ("noise_sequence", {"count": 3}, "count (=3) must be >= 4"),
        ("noise_sequence", {"channels": 0}, "channels (=0) must be >= 1"),
        ("noise_sequence", {"length": 0}, "length (=0) must be >= 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_dataset(name, NOWHERE, **options)
