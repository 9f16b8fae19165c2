import pickle
from pathlib import Path

import numpy as np

from kbench.datasets import build_dataset
from kbench.datasets.cifar100 import Cifar100


def test_targets_are_the_fine_classes(tmp_path, monkeypatch):
    pixels = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072).astype(np.uint8)
    content = {b"data": pixels, b"fine_labels": [99, 3], b"coarse_labels": [13, 4]}
    (tmp_path / "test").write_bytes(pickle.dumps(content, protocol=3))
    monkeypatch.setattr(Cifar100, "files", ())
    monkeypatch.setattr(Cifar100, "batches", {"test": ("test",)})
    monkeypatch.setattr(Cifar100, "split_sizes", {"test": 2})
    split = build_dataset("cifar100", tmp_path).load("test")
    assert split.targets.tolist() == [99, 3]
    assert split.images.flatten(1).numpy().tolist() == pixels.tolist()


def test_classes_are_named_in_alphabetical_order():
    # The order of its file `meta`, which numbers the fine classes.
    names = build_dataset("cifar100", Path("nowhere")).class_names
    assert len(set(names)) == 100
    assert list(names) == sorted(names)
    assert (names[0], names[99]) == ("apple", "worm")
