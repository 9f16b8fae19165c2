import pytest
import torch
from sklearn.datasets import load_digits

from kbench.datasets import build_dataset
from kbench.datasets.resize import resize_images
from kbench.errors import DatasetError


@pytest.mark.parametrize(
    ("split", "part"),
    [("train", slice(0, 1437)), ("test", slice(1437, 1797))],
    ids=["train", "test"],
)
def test_images_are_those_of_scikit_learn(split, part):
    source = load_digits()
    loaded = build_dataset("digits").load(split)
    assert torch.equal(loaded.images[:, 0] * 16, torch.tensor(source.images[part]).float())
    assert loaded.targets.tolist() == source.target[part].tolist()


def test_classes_are_balanced():
    counts = build_dataset("digits").load("train").targets.bincount()
    assert counts.min() >= 141
    assert counts.max() <= 146


def test_size_and_channels():
    native = build_dataset("digits").load("test").images
    images = build_dataset("digits", size=32, channels=3).load("test").images
    assert images.shape == (360, 3, 32, 32)
    assert torch.equal(images[:, 2:], resize_images(native, 32))
    assert torch.equal(images[:, 0], images[:, 1])


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match=r"channels \(=2\) must be 1 or 3"):
        build_dataset("digits", channels=2)


def test_missing_scikit_learn_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("kbench.datasets.digits.find_spec", lambda _: None)
    dataset = build_dataset("digits", tmp_path)
    message = "no file 'digits.csv.gz' in .*; get it with: pip install .*scikit-learn"
    with pytest.raises(DatasetError, match=message):
        dataset.load("train")


def test_other_file_of_scikit_learn_is_refused(tmp_path):
    (tmp_path / "digits.csv.gz").write_bytes(b"other")
    dataset = build_dataset("digits")
    dataset.folder = tmp_path
    with pytest.raises(DatasetError, match=r"digits\.csv\.gz' has md5 .*expected 9b335364a7bfd639"):
        dataset.load("train")
    assert [path.name for path in tmp_path.iterdir()] == ["digits.csv.gz"]
