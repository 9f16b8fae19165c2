import hashlib

from kbench.datasets import build_dataset
from kbench.datasets.imagenet100 import ImageNet100
from kbench.datasets.imagenet_classes import WNIDS

# imagenet100.txt of github.com/HobbitLong/CMC at bc687a2: `sort imagenet100.txt | md5sum`.
LIST_MD5 = "9d992254a6595741282afce949eed519"


def test_classes_are_those_that_the_authors_of_cmc_publish(tmp_path):
    names = build_dataset("imagenet100", tmp_path).class_names
    text = "".join(f"{name}\n" for name in names).encode()
    assert hashlib.md5(text, usedforsecurity=False).hexdigest() == LIST_MD5


def test_classes_are_a_hundred_of_imagenet(tmp_path):
    dataset = build_dataset("imagenet100", tmp_path)
    assert dataset.num_classes == len(set(dataset.class_names)) == 100
    assert set(dataset.class_names) < set(WNIDS)
    assert list(dataset.class_names) == sorted(dataset.class_names)


def test_sizes_are_those_of_the_published_subset(tmp_path):
    dataset = build_dataset("imagenet100", tmp_path)
    assert dataset.split_sizes == {"train": 126_689, "test": 5_000}
    assert build_dataset("imagenet100", tmp_path, per_class=300).split_sizes["train"] == 30_000


def test_note_names_the_list(tmp_path):
    assert "CMC" in build_dataset("imagenet100", tmp_path).note


def test_pictures_come_from_the_folder_of_imagenet(write_pictures, monkeypatch):
    monkeypatch.setattr(ImageNet100, "class_folders", WNIDS[:1])
    monkeypatch.setattr(ImageNet100, "total_sizes", {"train": 1, "test": 1})
    names = [f"imagenet/{split}/{WNIDS[0]}/1.JPEG" for split in ("train", "val")]
    root = write_pictures(*names, f"imagenet/train/{WNIDS[1]}/1.JPEG")
    assert build_dataset("imagenet100", root).load("train").paths == (root / names[0],)
