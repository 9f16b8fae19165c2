"""Small but valid dataset files, and the real ones where they are."""

import gzip
import hashlib
import os
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from kbench.datasets import build_dataset
from kbench.registry import DATASETS

SMALL = {"train": 12, "test": 5}


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    return header + array.tobytes()


def write_idx_set(folder, arrays):
    for split, stem in (("train", "train"), ("test", "t10k")):
        images, targets = arrays[split]
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx_bytes(images[:, 0]))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(targets.astype(np.uint8)))


def write_cifar_batch(path, images, targets, key):
    """Bytes as keys, as in the published files of Python 2."""
    content = {b"data": images.reshape(len(images), -1), key: targets.tolist()}
    path.write_bytes(pickle.dumps(content, protocol=3))


def write_cifar10(folder, arrays):
    images, targets = arrays["train"]
    for number, (i, t) in enumerate(
        zip(np.split(images, [2, 4, 7, 9]), np.split(targets, [2, 4, 7, 9]), strict=True)
    ):
        write_cifar_batch(folder / f"data_batch_{number + 1}", i, t, b"labels")
    write_cifar_batch(folder / "test_batch", *arrays["test"], b"labels")


def write_cifar100(folder, arrays):
    for split in ("train", "test"):
        write_cifar_batch(folder / split, *arrays[split], b"fine_labels")


def write_svhn(folder, arrays):
    for split in ("train", "test"):
        images, targets = arrays[split]
        labels = np.where(targets == 0, 10, targets).astype(np.uint8)[:, None]
        content = {"X": images.transpose(2, 3, 1, 0), "y": labels}
        savemat(folder / f"{split}_32x32.mat", content, do_compression=True)


def write_stl10(folder, arrays):
    """Columns first, and classes from 1 on, as in the published files."""
    for split in ("train", "test"):
        images, targets = arrays[split]
        (folder / f"{split}_X.bin").write_bytes(images.transpose(0, 1, 3, 2).tobytes())
        (folder / f"{split}_y.bin").write_bytes((targets + 1).astype(np.uint8).tobytes())


WRITERS = {
    "mnist": ("MNIST/raw", write_idx_set),
    "fashion_mnist": ("FashionMNIST/raw", write_idx_set),
    "cifar10": ("cifar-10-batches-py", write_cifar10),
    "cifar100": ("cifar-100-python", write_cifar100),
    "svhn": (".", write_svhn),
    "stl10": ("stl10_binary", write_stl10),
}


def make_archive(root, archive):
    """Pack the members as they are published, and return the archive with its new checksum."""
    path = root / archive.path
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path, "w:gz") as tar:
            for member in archive.members:
                tar.add(root / member, member)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress((root / archive.members[0]).read_bytes()))
    return replace(archive, md5=md5(path), urls=(path.as_uri(),))


@pytest.fixture(autouse=True)
def private_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def write_small(tmp_path, monkeypatch):
    """Function that writes a small set and returns its root and its arrays."""

    def write(name):
        kind = DATASETS[name]
        generator = np.random.default_rng(7)
        shape = kind(tmp_path).input_shape
        arrays = {
            split: (
                generator.integers(0, 256, (count, *shape), np.uint8),
                generator.integers(0, kind.num_classes, count),
            )
            for split, count in SMALL.items()
        }
        folder, writer = WRITERS[name]
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        writer(tmp_path / folder, arrays)
        files = tuple(replace(file, md5=md5(tmp_path / file.path)) for file in kind.files)
        monkeypatch.setattr(kind, "files", files)
        monkeypatch.setattr(kind, "split_sizes", SMALL)
        archives = tuple(make_archive(tmp_path, archive) for archive in kind.archives)
        monkeypatch.setattr(kind, "archives", archives)
        return tmp_path, arrays

    return write


@pytest.fixture
def real_dataset():
    """Function that builds a dataset on the real files, or skips."""

    def build(name, **options):
        root = os.environ.get("KBENCH_DATA")
        if not root:
            pytest.skip("KBENCH_DATA is not set")
        dataset = build_dataset(name, Path(root), **options)
        missing = dataset.missing_files()
        if missing:
            pytest.skip(f"no {missing[0]} in {root}")
        return dataset

    return build


@pytest.fixture
def write_pictures(tmp_path):
    """Function that writes picture files of random pixels below the root, and returns it."""
    generator = np.random.default_rng(3)

    def write(*names, size=(9, 6)):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (*size[::-1], 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path

    return write
