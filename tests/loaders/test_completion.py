"""What all samples share reaches the network through both loaders."""

import numpy as np
import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.cifar10 import Cifar10
from kbench.datasets.dataset import Split
from kbench.loaders import find_loader
from kbench.loaders.batch import Source
from kbench.recipe import Augmentation


@pytest.mark.parametrize("kind", ["memory", "torch"])
def test_noise_follows_the_normalised_rows(monkeypatch, tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
    monkeypatch.setattr(Cifar10, "files", ())
    monkeypatch.setattr(Cifar10, "split_sizes", {"train": 6, "test": 6})
    split = Split(torch.from_numpy(pixels), torch.arange(6))
    monkeypatch.setattr(Cifar10, "_read", lambda *_: split)
    dataset = build_dataset("npcifar10", tmp_path, length=40)
    loader = find_loader(kind)(
        Source(dataset, "test"),
        batch_size=4,
        augmentation=Augmentation(),
        mean=dataset.mean,
        std=dataset.std,
        seed=0,
        shuffle=False,
    )
    batches = list(loader.batches(0))
    inputs = torch.cat([batch.inputs for batch in batches])
    assert inputs.shape == (6, 96, 40)
    for sample, c, r, w in [(0, 0, 0, 0), (5, 2, 31, 7), (3, 1, 12, 31)]:
        mean, std = (0.485, 0.456, 0.406)[c], (0.229, 0.224, 0.225)[c]
        expected = (pixels[sample, c, r, w] / 255 - mean) / std
        # Float32.
        assert float(inputs[sample, c * 32 + w, r]) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert torch.equal(inputs[:, :, 32:], dataset.noise.expand(6, -1, -1))
    assert torch.cat([batch.targets for batch in batches]).tolist() == list(range(6))
