import hashlib
import json
import os
from collections.abc import Mapping

import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.checksum import CACHE_NAME
from kbench.datasets.dataset import Dataset, Split
from kbench.datasets.picture_folder import PictureFolder
from kbench.datasets.verification import format_verification, verify_dataset
from kbench.errors import DatasetError


class Animals(PictureFolder):
    """Cats and dogs."""

    name = "animals"
    note = "two animals only"
    num_classes = 2
    class_folders = class_names = ("cat", "dog")
    split_folders: Mapping[str, str] = {"train": "animals/train", "test": "animals/val"}
    total_sizes: Mapping[str, int] = {"train": 3, "test": 2}


@pytest.fixture
def root(write_pictures):
    train = ("animals/train/cat/a.jpg", "animals/train/cat/b.png", "animals/train/dog/a.jpg")
    return write_pictures(*train, "animals/val/cat/a.jpg", "animals/val/dog/a.jpg", size=(64, 48))


def test_samples_of_every_class_are_counted(write_small):
    root, arrays = write_small("mnist")
    found = verify_dataset(build_dataset("mnist", root))
    assert [split.name for split in found.splits] == ["train", "test"]
    for split in found.splits:
        targets = arrays[split.name][1]
        assert split.size == len(targets)
        assert split.counts == tuple((targets == number).sum() for number in range(10))


def test_files_are_read_whatever_is_remembered(write_small):
    root, _ = write_small("svhn")
    dataset = build_dataset("svhn", root)
    dataset.verify()
    path = root / "test_32x32.mat"
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    dataset.verify()  # neither size nor time of change tell
    with pytest.raises(DatasetError, match=r"test_32x32\.mat' has md5 .*, expected"):
        verify_dataset(dataset)


def test_what_is_remembered_of_other_datasets_is_kept(write_small):
    root, _ = write_small("svhn")
    entry = {"/elsewhere/file": {"size": 1, "mtime_ns": 2, "md5": "3"}}
    (root / CACHE_NAME).write_text(json.dumps(entry))
    verify_dataset(build_dataset("svhn", root))
    assert entry.items() <= json.loads((root / CACHE_NAME).read_bytes()).items()


def test_sum_of_all_pictures_has_a_line_for_each(root):
    found = verify_dataset(Animals(root))
    lines = []
    for name in ("cat/a.jpg", "dog/a.jpg"):
        content = (root / "animals/val" / name).read_bytes()
        lines.append(f"{name}\t{hashlib.md5(content, usedforsecurity=False).hexdigest()}\n")
    expected = hashlib.md5("".join(lines).encode(), usedforsecurity=False).hexdigest()
    assert found.sums["animals/val (content)"] == expected
    assert list(found.sums) == [
        "animals/train",
        "animals/val",
        "animals/train (content)",
        "animals/val (content)",
    ]


def test_every_damaged_picture_is_named(root):
    paths = [root / "animals/train/cat/a.jpg", root / "animals/train/dog/a.jpg"]
    for path in paths:
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError) as caught:
        verify_dataset(Animals(root))
    lines = str(caught.value).splitlines()
    assert [line.partition(" cannot")[0] for line in lines] == [f"picture '{p}'" for p in paths]


def test_damaged_pictures_are_named_where_the_sum_of_their_sizes_is_known(root, monkeypatch):
    sums = Animals(root).checksums()
    monkeypatch.setattr(Animals, "manifest_sums", {"train": sums["animals/train"]})
    verify_dataset(Animals(root))
    path = root / "animals/train/cat/b.png"
    content = path.read_bytes()
    path.write_bytes(content[:-300])
    with pytest.raises(DatasetError, match=r"^picture '.*cat/b\.png' cannot be read: "):
        verify_dataset(Animals(root))
    path.write_bytes(content + b"!")  # whole, but not the one that is known
    with pytest.raises(DatasetError, match=r"names and sizes of the pictures in .* have md5"):
        verify_dataset(Animals(root))


@pytest.mark.parametrize("sidecar", ['{"crc32": "cbf43926"}', "{}"], ids=["damaged", "incomplete"])
def test_betons_are_read_too(root, sidecar):
    beton = root / "ffcv" / "animals-train-raw.beton"
    beton.parent.mkdir()
    beton.write_bytes(b"123456789")
    beton.with_name(f"{beton.name}.json").write_text('{"crc32": "cbf43926"}')
    found = verify_dataset(Animals(root))
    assert found.betons == {"ffcv/animals-train-raw.beton": "cbf43926"}
    assert "ffcv/animals-train-raw.beton  cbf43926" in format_verification(Animals(root), found)
    beton.write_bytes(b"12345678.")
    beton.with_name(f"{beton.name}.json").write_text(sidecar)
    with pytest.raises(DatasetError, match=r"animals-train-raw\.beton' has crc32 .*, expected"):
        verify_dataset(Animals(root))


def test_long_lists_of_damaged_pictures_end(root, monkeypatch):
    monkeypatch.setattr("kbench.datasets.verification.SHOWN", 1)
    for path in (root / "animals/val").rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cat/a\.jpg' cannot be read: .*\nand 1 more$"):
        verify_dataset(Animals(root))


def test_changed_picture_is_told_where_the_sum_is_known(root, monkeypatch):
    monkeypatch.setattr(Animals, "content_sums", {"train": "0" * 32})
    message = "the pictures in '.*animals/train' have md5 .*, expected 0{32}"
    with pytest.raises(DatasetError, match=message):
        verify_dataset(Animals(root))
    verify_dataset(Animals(root, per_class=1))


def test_balance_names_the_extremes(root):
    dataset = Animals(root)
    text = format_verification(dataset, verify_dataset(dataset))
    assert "train    3          2          1 (dog) to 2 (cat)" in text
    assert "test     2          2          1 each" in text
    assert text.endswith("note: two animals only\n\nanimals: complete and verified")


class Masks(Dataset):
    """Masks of 2 x 2 pixels, a class for each."""

    name = "masks"
    task = "segmentation"
    num_classes = 2
    class_names = ("ground", "thing")
    files = ()
    split_sizes: Mapping[str, int] = {"train": 2}

    def _read(self, split):
        del split
        masks = torch.tensor([[[0, 0], [1, 255]], [[0, 0], [0, 255]]], dtype=torch.uint8)
        return Split(torch.zeros(2, 1, 2, 2), masks)


def test_pixels_of_segmented_classes_are_counted(tmp_path):
    dataset = Masks(tmp_path)
    found = verify_dataset(dataset)
    assert found.splits[0].counts == (5, 1)
    text = format_verification(dataset, found)
    assert "pixels of a class" in text
    assert "1 (thing) to 5 (ground)" in text


def test_what_is_fitted_has_no_classes(tmp_path):
    found = verify_dataset(build_dataset("kernel_target", tmp_path))
    assert [split.counts for split in found.splits] == [(), ()]


@pytest.fixture
def read_only(monkeypatch):
    """Function after which no memory of checksums can be written, also for a superuser."""

    def refuse(path, _):
        raise PermissionError(13, "Permission denied", str(path))

    return lambda: monkeypatch.setattr("kbench.datasets.checksum.write_json", refuse)


def test_read_only_memory_is_not_trusted(write_small, read_only):
    root, arrays = write_small("svhn")
    dataset = build_dataset("svhn", root)
    dataset.verify()
    read_only()
    before = (root / CACHE_NAME).read_bytes()
    found = verify_dataset(dataset)
    assert [split.size for split in found.splits] == [len(arrays[s][1]) for s in arrays]
    path = root / "train_32x32.mat"
    status = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    build_dataset("svhn", root).verify()  # neither size nor time of change tell
    with pytest.raises(DatasetError, match=r"train_32x32\.mat' has md5 .*, expected"):
        verify_dataset(build_dataset("svhn", root))
    assert (root / CACHE_NAME).read_bytes() == before


def test_read_only_memory_of_pictures_is_not_trusted(root, read_only):
    key = "animals/val"
    expected = verify_dataset(Animals(root)).sums
    content = json.loads((root / CACHE_NAME).read_bytes())
    wrong = {name: entry | {"md5": "0" * 32} for name, entry in content.items()}
    (root / CACHE_NAME).write_text(json.dumps(wrong))
    read_only()
    assert Animals(root).checksums()[key] == "0" * 32
    assert verify_dataset(Animals(root)).sums == expected
