import struct

import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.idx import read_idx
from kbench.errors import DatasetError


def test_idx_of_three_axes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x00\x00\x08\x03" + struct.pack(">3i", 2, 1, 3) + bytes(range(6)))
    assert read_idx(path).tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00\x08",
        b"\x1f\x8b\x08\x00rest",
        b"\x00\x00\x0d\x01" + bytes(4),
        b"\0\0\x08\x02abcd",
    ],
    ids=["empty", "short", "gzip", "floats", "cut-header"],
)
def test_other_formats_are_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="is not an idx file of bytes: it begins with"):
        read_idx(path)


def test_cut_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x00\x00\x08\x01" + struct.pack(">i", 4) + b"abc")
    with pytest.raises(DatasetError, match=r"has 3 bytes of values for shape \[4\]"):
        read_idx(path)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_small_set_is_read_as_written(write_small, name, split):
    root, arrays = write_small(name)
    loaded = build_dataset(name, root).load(split)
    images, targets = arrays[split]
    assert loaded.images.dtype == torch.uint8
    assert torch.equal(loaded.images, torch.from_numpy(images))
    assert torch.equal(loaded.targets, torch.from_numpy(targets))


def test_resized_set_has_fractions(write_small):
    root, _ = write_small("fashion_mnist")
    loaded = build_dataset("fashion_mnist", root, size=32).load("test")
    assert loaded.images.shape == (5, 1, 32, 32)
    assert loaded.images.dtype == torch.float32
    assert 0 <= loaded.images.min() < loaded.images.max() <= 1
