from collections.abc import Mapping

import pytest
import torchvision

from kbench.datasets import picture_folder
from kbench.datasets.picture_folder import PictureFolder, list_pictures, manifest_sum
from kbench.errors import DatasetError

PICTURES = (
    "animals/train/cat/b.png",
    "animals/train/cat/a.jpg",
    "animals/train/cat/more/c.JPEG",
    "animals/train/dog/z.png",
    "animals/val/cat/a.png",
    "animals/val/dog/a.png",
)


class Animals(PictureFolder):
    """Cats and dogs."""

    name = "animals"
    num_classes = 2
    class_folders = class_names = ("cat", "dog")
    split_folders: Mapping[str, str] = {"train": "animals/train", "test": "animals/val"}
    total_sizes: Mapping[str, int] = {"train": 4, "test": 2}
    min_class_size = 1


@pytest.fixture
def root(write_pictures):
    return write_pictures(*PICTURES)


@pytest.fixture
def animals(root):
    return Animals(root)


def test_pictures_of_classes_take_turns(animals, root):
    split = animals.load("train")
    names = ["cat/a.jpg", "dog/z.png", "cat/b.png", "cat/more/c.JPEG"]
    assert [path.relative_to(root / "animals/train").as_posix() for path in split.paths] == names
    assert split.targets.tolist() == [0, 1, 0, 0]


def test_pictures_are_those_of_torchvision(animals, root):
    reference = torchvision.datasets.ImageFolder(root / "animals/train")
    split = animals.load("train")
    found = zip(map(str, split.paths), split.targets.tolist(), strict=True)
    assert sorted(found) == sorted(reference.samples)
    assert list(animals.class_names) == reference.classes


def test_limit_leaves_balanced_classes(animals):
    assert animals.load("train", 2).targets.tolist() == [0, 1]


def test_per_class_leaves_the_first_by_name_for_training_only(root, write_pictures, monkeypatch):
    write_pictures("animals/val/cat/b.png")
    monkeypatch.setattr(Animals, "total_sizes", {"train": 4, "test": 3})
    animals = Animals(root, per_class=1)
    assert animals.split_sizes == {"train": 2, "test": 3}
    assert [path.name for path in animals.load("train").paths] == ["a.jpg", "z.png"]
    assert len(animals.load("test")) == 3


@pytest.mark.parametrize("count", [0, 2], ids=["none", "more-than-the-smallest"])
def test_per_class_has_to_leave_every_class_equal(tmp_path, count):
    with pytest.raises(ValueError, match=rf"per_class \(={count}\) must be 1 to 1, the size of"):
        Animals(tmp_path, per_class=count)


def test_other_files_are_no_pictures(animals, root):
    (root / "animals/train/cat/list.txt").write_text("a")
    (root / "animals/train/notes.png").write_bytes(b"")
    assert len(animals.load("train")) == 4


def test_other_class_folders_are_ignored(animals, write_pictures):
    write_pictures("animals/train/fish/a.png")
    assert len(animals.load("train")) == 4


def test_facts_are_known_without_data(tmp_path):
    animals = Animals(tmp_path / "nowhere")
    assert animals.is_file_backed
    assert animals.split_sizes == {"train": 4, "test": 2}
    assert animals.checksums() == {}
    assert animals.num_expected == len(animals.missing_files()) == 4


def test_missing_split_folder_is_named(animals, root):
    (root / "animals/val").rename(root / "animals/validation")
    with pytest.raises(DatasetError, match=f"'animals': no folder '{root}/animals/val'; get it"):
        animals.load("train")


def test_missing_class_folder_is_named(animals, root):
    (root / "animals/train/dog").rename(root / "animals/train/dogs")
    message = f"no class folder 'dog' in '{root}/animals/train', 1 of 2 are missing; get it with"
    with pytest.raises(DatasetError, match=message):
        animals.load("train")
    assert animals.missing_files() == ["animals/train/dog"]


def test_class_folder_without_a_picture_is_named(animals, root):
    (root / "animals/val/dog/a.png").unlink()
    with pytest.raises(DatasetError, match=f"class folder '{root}/animals/val/dog' has no picture"):
        animals.load("train")


def test_other_number_of_pictures_is_refused(animals, write_pictures):
    write_pictures("animals/train/dog/y.png")
    with pytest.raises(DatasetError, match="animals/train' has 5 pictures, expected 4"):
        animals.load("train")


def test_folder_that_is_a_file_is_named(animals, root):
    (root / "animals/val/dog/a.png").unlink()
    (root / "animals/val/dog").rmdir()
    (root / "animals/val/dog").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"no class folder 'dog' in '.*val'"):
        animals.load("test")


def test_link_to_nothing_is_named(animals, root):
    path = root / "animals/val/dog/a.png"
    path.unlink()
    path.symlink_to("gone.png")
    with pytest.raises(
        DatasetError, match=r"a picture cannot be read: .*No such file.*dog/a\.png'"
    ):
        animals.checksums()


def test_sum_of_names_and_sizes_has_a_line_for_every_picture(tmp_path):
    for name, size in (("b", 3), ("a", 10)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(bytes(size))
    listing = list_pictures(tmp_path, ("a", "b"))
    # From coreutils: printf 'a/1.png\t10\nb/1.png\t3\n' | md5sum
    assert manifest_sum(tmp_path, listing) == "5500aebeec23155f9b6bf43d18202c50"


def test_checksums_tell_a_renamed_and_a_grown_picture(root):
    sums = [Animals(root).checksums()]
    path = root / "animals/train/dog/z.png"
    path.rename(path.with_name("y.png"))
    sums.append(Animals(root).checksums())
    path.with_name("y.png").rename(path)
    sums.append(Animals(root).checksums())
    assert sums[0] == sums[2]
    assert sums[0]["animals/train"] != sums[1]["animals/train"]
    assert sums[0]["animals/val"] == sums[1]["animals/val"]


def test_sizes_are_asked_once_until_a_folder_changes(root, write_pictures, monkeypatch):
    first = Animals(root).checksums()
    monkeypatch.setattr(picture_folder, "manifest_sum", lambda *_: "again")
    assert Animals(root).checksums() == first
    write_pictures("animals/val/dog/b.png")
    assert Animals(root).checksums() == first | {"animals/val": "again"}


def test_known_sum_is_compared(animals, monkeypatch):
    monkeypatch.setattr(Animals, "manifest_sums", {"test": "0" * 32})
    message = "names and sizes of the pictures in '.*animals/val' have md5 .*, expected 0{32}; get"
    with pytest.raises(DatasetError, match=message):
        animals.load("test")
    assert animals.checksums()["animals/val"] == "0" * 32
