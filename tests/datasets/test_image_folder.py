import pytest

from kbench.datasets import build_dataset
from kbench.errors import DatasetError

PICTURES = ("own/train/x/1.png", "own/train/x/2.png", "own/train/y/1.png", "own/val/x/1.png")


@pytest.fixture
def root(write_pictures):
    return write_pictures(*PICTURES, "own/val/y/1.png")


def test_classes_and_sizes_are_what_is_found(root):
    dataset = build_dataset("image_folder", root, path="own")
    assert dataset.class_names == ("x", "y")
    assert dataset.num_classes == 2
    assert dataset.split_sizes == {"train": 3, "test": 2}
    assert dataset.load("train").targets.tolist() == [0, 1, 0]


def test_path_may_be_absolute(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    dataset = build_dataset("image_folder", elsewhere, path=str(root / "own"))
    assert len(dataset.load("test")) == 2


def test_folders_of_the_splits_have_names_of_their_own(root):
    (root / "own/val").rename(root / "own/holdout")
    dataset = build_dataset("image_folder", root, path="own", test="holdout")
    assert dataset.load("test").paths[0] == root / "own/holdout/x/1.png"


def test_per_class_may_exceed_a_class(root):
    assert build_dataset("image_folder", root, path="own", per_class=2).split_sizes["train"] == 3
    dataset = build_dataset("image_folder", root, path="own", per_class=1)
    assert dataset.split_sizes == {"train": 2, "test": 2}
    assert len(dataset.load("train")) == 2


def test_per_class_has_to_be_positive(root):
    with pytest.raises(ValueError, match=r"per_class \(=0\) must be >= 1$"):
        build_dataset("image_folder", root, path="own", per_class=0)


def test_missing_folder_is_named(root):
    message = f"no folder '{root}/image_folder/train'; the options 'path', 'train' and 'test' say"
    with pytest.raises(DatasetError, match=message):
        build_dataset("image_folder", root)


def test_folder_without_classes_is_named(root):
    (root / "empty").mkdir()
    message = f"'{root}/own/../empty' has no class folder"
    with pytest.raises(DatasetError, match=message):
        build_dataset("image_folder", root, path="own", test="../empty")


def test_hidden_folders_are_no_classes(root):
    (root / "own/train/.thumbnails").mkdir()
    assert build_dataset("image_folder", root, path="own").class_names == ("x", "y")


@pytest.mark.parametrize(
    ("added", "has", "lacks"),
    [("own/train/z/1.png", "train", "val"), ("own/val/z/1.png", "val", "train")],
    ids=["only-training", "only-test"],
)
def test_class_of_one_split_only_is_named(root, write_pictures, added, has, lacks):
    write_pictures(added)
    message = f"class folder 'z' is in '{root}/own/{has}', not in '{root}/own/{lacks}'"
    with pytest.raises(DatasetError, match=message):
        build_dataset("image_folder", root, path="own")


def test_class_without_a_picture_is_named_when_loaded(root):
    (root / "own/val/y/1.png").unlink()
    dataset = build_dataset("image_folder", root, path="own")
    with pytest.raises(DatasetError, match=f"class folder '{root}/own/val/y' has no picture"):
        dataset.load("test")
