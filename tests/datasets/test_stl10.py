import pytest
import torch
from torchvision.datasets import STL10

from kbench.datasets import build_dataset
from kbench.datasets.resize import resize_images
from kbench.errors import DatasetError


@pytest.mark.parametrize("split", ["train", "test"])
def test_small_set_is_read_as_written(write_small, split):
    root, arrays = write_small("stl10")
    loaded = build_dataset("stl10", root).load(split)
    images, targets = arrays[split]
    assert loaded.images.is_contiguous()
    assert torch.equal(loaded.images, torch.from_numpy(images))
    assert torch.equal(loaded.targets, torch.from_numpy(targets))


def test_images_and_targets_are_those_of_torchvision(write_small, monkeypatch):
    root, _ = write_small("stl10")
    monkeypatch.setattr(STL10, "_check_integrity", lambda _: True)
    (root / "stl10_binary/class_names.txt").write_text("airplane\n")
    (root / "stl10_binary/fold_indices.txt").write_text("")
    reference = STL10(root, split="test")
    loaded = build_dataset("stl10", root).load("test")
    assert torch.equal(loaded.images, torch.from_numpy(reference.data))
    assert loaded.targets.tolist() == reference.labels.tolist()


def test_checksums_are_those_of_torchvision(tmp_path):
    dataset = build_dataset("stl10", tmp_path)
    published = dict(STL10.train_list + STL10.test_list)
    del published["unlabeled_X.bin"]
    assert dataset.checksums() == {f"stl10_binary/{name}": published[name] for name in published}
    (archive,) = dataset.archives
    assert (archive.md5, archive.urls) == (STL10.tgz_md5, (STL10.url,))


def test_size_is_an_option(write_small):
    root, arrays = write_small("stl10")
    dataset = build_dataset("stl10", root, size=48)
    assert dataset.input_shape == (3, 48, 48)
    expected = resize_images(torch.from_numpy(arrays["test"][0]), 48)
    assert torch.equal(dataset.load("test").images, expected)


def test_images_without_labels_are_refused(write_small, monkeypatch):
    root, _ = write_small("stl10")
    dataset = build_dataset("stl10", root)
    monkeypatch.setattr(dataset, "verify", lambda: None)
    path = root / "stl10_binary/test_X.bin"
    path.write_bytes(path.read_bytes()[:-1])
    message = "test_X.bin' has 138239 bytes for 5 images of 3x96x96"
    with pytest.raises(DatasetError, match=message):
        dataset.load("test")


def test_facts_are_those_of_flexconv(tmp_path):
    # FlexConv, section 6.
    dataset = build_dataset("stl10", tmp_path)
    assert dataset.split_sizes == {"train": 5_000, "test": 8_000}
    assert dataset.mean == (0.4467, 0.4398, 0.4066)
    assert dataset.std == (0.2603, 0.2566, 0.2713)
