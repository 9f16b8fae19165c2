import pytest

from kbench.datasets import build_dataset
from kbench.datasets.imagenet1k import ImageNet1k
from kbench.datasets.imagenet_classes import WNIDS
from kbench.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    """Folder with an empty file of every class in both splits."""
    for split in ("train", "val"):
        for wnid in WNIDS:
            folder = tmp_path / "imagenet" / split / wnid
            folder.mkdir(parents=True)
            (folder / f"{wnid}_1.JPEG").touch()
    return tmp_path


def test_facts_are_those_of_ilsvrc_2012(tmp_path):
    dataset = build_dataset("imagenet1k", tmp_path)
    assert dataset.num_classes == 1000
    assert dataset.split_sizes == {"train": 1_281_167, "test": 50_000}
    assert dataset.is_file_backed
    assert dataset.input_shape == (3, 224, 224)
    # GMConv and FlexConv, section 6.
    assert dataset.mean == (0.485, 0.456, 0.406)
    assert dataset.std == (0.229, 0.224, 0.225)


def test_classes_are_numbered_by_sorted_folder(root, monkeypatch):
    monkeypatch.setattr(ImageNet1k, "total_sizes", {"train": 1000, "test": 1000})
    split = build_dataset("imagenet1k", root).load("train")
    assert split.targets.tolist() == list(range(1000))
    assert [path.parent.name for path in split.paths] == list(WNIDS)


def test_incomplete_set_is_refused(root):
    message = "imagenet/train' has 1,000 pictures, expected 1,281,167"
    with pytest.raises(DatasetError, match=message):
        build_dataset("imagenet1k", root).load("train")


def test_flat_validation_folder_is_told_where_pictures_belong(tmp_path):
    for split in ("train", "val"):
        (tmp_path / "imagenet" / split).mkdir(parents=True)
    message = (
        r"no class folder 'n01440764' in .*train', 1,000 of 1,000 are missing; there is no "
        r"automatic download: .*imagenet/train/<wnid>' and .*imagenet/val/<wnid>'"
    )
    with pytest.raises(DatasetError, match=message):
        build_dataset("imagenet1k", tmp_path).load("test")


def test_training_pictures_can_be_limited_as_gmconv_does(tmp_path):
    dataset = build_dataset("imagenet1k", tmp_path, per_class=300)
    assert dataset.split_sizes == {"train": 300_000, "test": 50_000}


def test_per_class_beyond_the_smallest_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"per_class \(=733\) must be 1 to 732"):
        build_dataset("imagenet1k", tmp_path, per_class=733)
