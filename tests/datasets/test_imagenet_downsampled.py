import pickle

import numpy as np
import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.imagenet_downsampled import ImageNetDownsampled, read_downsampled
from kbench.errors import DatasetError

NAMES = (*(f"train_data_batch_{number}" for number in range(1, 11)), "val_data")
LABELS = {name: [1, 1000, 3 + number] for number, name in enumerate(NAMES)}
# Labels up to 4: the 1 of each batch, and the third of the first two.
SIZES = {"train": 30, "test": 3}


def write_batch(path, images, labels, encode=str):
    """As the published scripts do: text as keys in Python 3, bytes in Python 2."""
    content = {"data": images, "labels": labels, "mean": images.mean(0)}
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps({encode(key): content[key] for key in content}, protocol=3))


@pytest.fixture
def images():
    return np.random.default_rng(2).integers(0, 256, (33, 3 * 8 * 8), np.uint8)


@pytest.fixture
def root(tmp_path, images):
    for name, data in zip(NAMES, np.split(images, 11), strict=True):
        write_batch(tmp_path / "imagenet8" / name, data, LABELS[name])
    return tmp_path


@pytest.fixture
def dataset(root, monkeypatch):
    dataset = build_dataset("imagenet_downsampled", root, size=8)
    monkeypatch.setattr(dataset, "split_sizes", SIZES)
    return dataset


def test_batches_follow_one_another(dataset, images):
    found = dataset.load("train")
    assert torch.equal(found.images, torch.from_numpy(images[:30].reshape(30, 3, 8, 8)))
    labels = [label - 1 for name in NAMES[:10] for label in LABELS[name]]
    assert found.targets.tolist() == labels
    assert dataset.load("test").targets.tolist() == [0, 999, 12]


def test_first_classes_keep_all_of_their_images(root, images):
    dataset = build_dataset("imagenet_downsampled", root, size=8, classes=4)
    assert dataset.num_classes == 4
    assert dataset.split_sizes == {"train": 12, "test": 1}
    found = dataset.load("train")
    assert found.targets.tolist() == [0, 2, 0, 3] + [0] * 8
    assert torch.equal(found.images[1].flatten(), torch.from_numpy(images[2]))


def test_classes_are_counted_once(root, monkeypatch):
    build_dataset("imagenet_downsampled", root, size=8, classes=4)
    monkeypatch.setattr(
        "kbench.datasets.imagenet_downsampled.read_downsampled", lambda path: pytest.fail(str(path))
    )
    dataset = build_dataset("imagenet_downsampled", root, size=8, classes=4)
    assert dataset.split_sizes["train"] == 12


def test_pickles_of_python_2_are_read(tmp_path, images):
    write_batch(tmp_path / "a/val_data", images, [1] * 33, encode=str.encode)
    assert np.array_equal(read_downsampled(tmp_path / "a/val_data")[0], images)


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_facts_are_known_without_data(tmp_path, size):
    dataset = build_dataset("imagenet_downsampled", tmp_path, size=size)
    assert dataset.input_shape == (3, size, size)
    assert dataset.split_sizes == {"train": 1_281_167, "test": 50_000}
    assert dataset.num_classes == len(dataset.class_names) == 1000
    assert dataset.missing_files() == [f"imagenet{size}/{name}" for name in NAMES]
    # FlexConv, section 6.
    assert dataset.mean == (0.485, 0.456, 0.406)


def test_checksums_are_those_of_the_files(dataset):
    assert list(dataset.checksums()) == [f"imagenet8/{name}" for name in NAMES]


def test_incomplete_set_is_refused(root):
    dataset = build_dataset("imagenet_downsampled", root, size=8)
    with pytest.raises(DatasetError, match="'test' has 3 samples, expected 50,000"):
        dataset.load("test")


def test_too_many_images_are_refused(dataset, monkeypatch):
    monkeypatch.setattr(dataset, "split_sizes", {"train": 29, "test": 3})
    message = "train_data_batch_10' has more images than the 29 of the split 'train'"
    with pytest.raises(DatasetError, match=message):
        dataset.load("train")


def test_images_of_another_size_are_refused(dataset, root):
    (root / "imagenet8/val_data").unlink()
    write_batch(root / "imagenet8/val_data", np.zeros((3, 3 * 16 * 16), np.uint8), [1, 2, 3])
    with pytest.raises(DatasetError, match=r"val_data' has images of \(768,\) bytes, not 192"):
        dataset.load("test")


@pytest.mark.parametrize("label", [0, 1001])
def test_label_out_of_range_is_named(tmp_path, images, label):
    write_batch(tmp_path / "a/val_data", images, [1] * 32 + [label])
    message = f"val_data' has label {label} at image 32; it must be 1 to 1000"
    with pytest.raises(DatasetError, match=message):
        read_downsampled(tmp_path / "a/val_data")


def test_labels_without_images_are_refused(tmp_path, images):
    write_batch(tmp_path / "a/val_data", images, [1])
    with pytest.raises(DatasetError, match=r"shape \(33, 192\) for labels of \(1,\)"):
        read_downsampled(tmp_path / "a/val_data")


@pytest.mark.parametrize(
    "content",
    [b"", b"text", pickle.dumps([1]), pickle.dumps({"data": [[1]]}), pickle.dumps(pickle.loads)],
    ids=["empty", "text", "list", "no-labels", "code"],
)
def test_other_files_are_named(tmp_path, content):
    (tmp_path / "val_data").write_bytes(content)
    with pytest.raises(DatasetError, match="val_data' is no whole batch of images: "):
        read_downsampled(tmp_path / "val_data")


def test_truncated_batch_is_named(dataset, root):
    path = root / "imagenet8/train_data_batch_3"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"batch_3' is no whole batch of images: .*truncated"):
        dataset.load("train")


def test_missing_files_are_told_where_they_belong(tmp_path):
    message = f"no file 'imagenet16/train_data_batch_1' .*16x16 images .*'{tmp_path}/imagenet16'"
    with pytest.raises(DatasetError, match=message):
        build_dataset("imagenet_downsampled", tmp_path, size=16, classes=10)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("size", 28, r"one of \(8, 16, 32, 64\)"),
        ("classes", 0, "1 to 1000"),
        ("classes", 1001, "1 to 1000"),
    ],
    ids=["size", "no-class", "too-many"],
)
def test_options_out_of_range_are_refused(tmp_path, option, value, allowed):
    with pytest.raises(ValueError, match=rf"{option} \(={value}\) must be {allowed}"):
        ImageNetDownsampled(tmp_path, **{option: value})
