"""Parts of batches for several processes, and loaders that make only their part."""

import numpy as np
import pytest
import torch
from torch import Tensor

from kbench.datasets import build_dataset
from kbench.errors import UnsupportedError
from kbench.loaders import find_loader
from kbench.loaders.batch import Batch, Source
from kbench.loaders.share import WHOLE, Share
from kbench.recipe import Augmentation

AUGMENTATIONS = {
    "crop": Augmentation(crop_padding=1, flip=True),
    "mixup": Augmentation(crop_padding=1, mixup=0.8),
    "cutmix": Augmentation(cutmix=1.0),
    "erasing": Augmentation(random_erasing=0.5),
    "rotation": Augmentation(rotation=15.0),
}


class TestPlaces:
    @pytest.mark.parametrize("count", [8, 9, 64, 65])
    def test_parts_are_the_batch(self, count: int) -> None:
        parts = [Share(number, 4).places(count).tolist() for number in range(4)]
        assert sorted(place for part in parts for place in part) == list(range(count))
        assert all(part == sorted(part) for part in parts)
        assert max(map(len, parts)) - min(map(len, parts)) <= 2

    @pytest.mark.parametrize("count", [8, 9, 31])
    def test_opposite_samples_are_in_one_part(self, count: int) -> None:
        for number in range(3):
            part = Share(number, 3).places(count)
            np.testing.assert_array_equal(part[::-1], count - 1 - part)

    def test_a_batch_smaller_than_the_devices_is_refused(self) -> None:
        with pytest.raises(UnsupportedError, match="a batch of 7 cannot be divided among 4 dev"):
            Share(0, 4).places(7)

    def test_alone_has_all(self) -> None:
        values = torch.arange(5)
        assert WHOLE.take(values) is values
        assert WHOLE.places(3).tolist() == [0, 1, 2]


def batches(kind: str, augmentation: Augmentation, share: Share) -> list[Batch]:
    loader = find_loader(kind)(
        Source(build_dataset("digits"), "train", 50, share=share),
        batch_size=16,
        augmentation=augmentation,
        mean=(0.5,),
        std=(0.5,),
        seed=3,
        shuffle=True,
        drop_last=True,
        **({"num_workers": 0} if kind == "torch" else {}),
    )
    return list(loader.batches(1))


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("kind", ["memory", "torch"])
def test_parts_that_loaders_make_are_the_batch(kind: str, name: str) -> None:
    whole = batches(kind, AUGMENTATIONS[name], WHOLE)
    shares = [Share(number, 3) for number in range(3)]
    for parts in zip(whole, *(batches(kind, AUGMENTATIONS[name], s) for s in shares), strict=True):
        batch, *own = parts
        for share, part in zip(shares, own, strict=True):
            check(part.inputs, share.take(batch.inputs))
            check(part.targets, share.take(batch.targets))


def check(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
