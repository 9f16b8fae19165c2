"""Folders of pictures and masks, written by the tests in the layout of CamVid."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from kbench.datasets import build_dataset
from kbench.datasets.camvid import read_mask
from kbench.errors import DatasetError

COUNTS = {"train": 3, "test": 2}


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return {
        split: (
            generator.integers(0, 256, (count, 6, 8, 3), np.uint8),
            generator.integers(0, 4, (count, 6, 8), np.uint8),
        )
        for split, count in COUNTS.items()
    }


@pytest.fixture
def root(tmp_path, arrays):
    for split, (images, masks) in arrays.items():
        for folder, values in ((split, images), (f"{split}annot", masks)):
            (tmp_path / "own" / folder).mkdir(parents=True)
            for number, value in enumerate(values):
                path = tmp_path / "own" / folder / f"{number:04}.png"
                Image.fromarray(value).save(path)
    return tmp_path


def build(root, **changes):
    given = {"folder": "own", "classes": 3, "height": 6, "width": 8, "train": 3, "test": 2}
    return build_dataset("mask_folders", root, **(given | changes))


def test_pictures_and_masks_are_read_as_written(root, arrays):
    dataset = build(root)
    for split, (images, masks) in arrays.items():
        loaded = dataset.load(split)
        assert torch.equal(loaded.images, torch.from_numpy(images).permute(0, 3, 1, 2))
        # Class 3 is not one of three: it is ignored.
        assert loaded.targets.tolist() == np.where(masks == 3, 255, masks).tolist()
        assert loaded.targets.dtype == torch.uint8


def test_all_classes_are_scored(root):
    assert build(root).scored_classes == (0, 1, 2)


def test_checksum_changes_with_any_file(root):
    before = build(root).checksums()
    path = root / "own" / "testannot" / "0001.png"
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(path)
    after = build(root).checksums()
    assert list(before) == list(after) == ["own"]
    assert before != after


def test_absent_folder_is_named(tmp_path):
    message = re.escape(f"no files in {str(tmp_path / 'own')!r}; put train, trainannot, test")
    with pytest.raises(DatasetError, match=message):
        build(tmp_path).load("train")
    assert build(tmp_path).missing_files() == ["own"]
    assert build(tmp_path).checksums() == {}


def test_other_number_of_pictures_is_refused(root):
    with pytest.raises(DatasetError, match="split 'train' has 3 samples, expected 4"):
        build(root, train=4).load("train")


def test_absent_split_is_named(root):
    for path in (root / "own" / "test").glob("*"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"'mask_folders': no .png in '.*test'"):
        build(root).load("test")


def test_mask_without_file_is_named(root):
    (root / "own" / "trainannot" / "0002.png").unlink()
    with pytest.raises(DatasetError, match=r"mask '.*trainannot/0002.png' cannot be read"):
        build(root).load("train")


def test_truncated_picture_is_named(root):
    path = root / "own" / "train" / "0001.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"'.*train/0001.png'"):
        build(root).load("train")


def test_picture_of_another_size_is_named(root):
    with pytest.raises(
        DatasetError, match=r"0000.png' has height and width \(6, 8\), expected \(8, 6\)"
    ):
        build(root, height=8, width=6).load("test")


def test_mask_of_colours_is_refused(root):
    with pytest.raises(DatasetError, match="has mode 'RGB'; expected one channel of 8 bits"):
        read_mask(root / "own" / "train" / "0000.png")


@pytest.mark.parametrize("option", ["classes", "height", "width", "train", "test"])
def test_option_out_of_range_is_refused(tmp_path, option):
    with pytest.raises(ValueError, match=rf"{option} \(=0\) must be >= "):
        build(tmp_path, **{option: 0})


def test_whole_camvid_is_not_its_subset(tmp_path):
    whole, part = (build_dataset(name, tmp_path) for name in ("camvid", "camvid_subset"))
    assert whole.split_sizes == {"train": 367, "val": 101, "test": 233}
    assert part.split_sizes == {"train": 41, "val": 17, "test": 24}
    assert whole.class_names == part.class_names
    assert whole.input_shape == part.input_shape == (3, 360, 480)
    assert "not all" in part.note
    assert not whole.note


def test_subset_is_verified_and_its_masks_have_11_classes(real_dataset):
    dataset = real_dataset("camvid_subset")
    loaded = dataset.load("train")
    assert loaded.images.shape == (41, 3, 360, 480)
    assert loaded.targets.unique().tolist() == [*range(11), 255]
    for values, expected in ((loaded.images.double().mean((0, 2, 3)), dataset.mean),):
        # Four digits are kept.
        assert (values / 255).tolist() == pytest.approx(expected, abs=1e-4)


def test_damaged_subset_is_refused(real_dataset, tmp_path, monkeypatch):
    real = real_dataset("camvid_subset")
    (tmp_path / real.tree).symlink_to((real.folder / real.tree).resolve())
    dataset = build_dataset("camvid_subset", tmp_path)
    monkeypatch.setattr(type(dataset), "tree_md5", "0" * 32)
    with pytest.raises(DatasetError, match=r"common md5 [0-9a-f]{32}, expected 0{32}; delete it"):
        dataset.verify()
    monkeypatch.setattr(type(dataset), "num_files", 163)
    with pytest.raises(DatasetError, match="holds 164 files, expected 163; delete it"):
        dataset.verify()
