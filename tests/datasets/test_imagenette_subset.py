import pytest
from torchvision.datasets import Imagenette

from kbench.datasets import build_dataset
from kbench.errors import DatasetError


def test_classes_are_those_of_imagenette(tmp_path):
    dataset = build_dataset("imagenette_subset", tmp_path)
    reference = {wnid: names[0] for wnid, names in Imagenette._WNID_TO_CLASS.items()}
    found = zip(dataset.class_folders, dataset.class_names, strict=True)
    assert dict(found) == reference


def test_it_says_that_it_is_a_subset(tmp_path):
    dataset = build_dataset("imagenette_subset", tmp_path)
    assert dataset.note.startswith("subset, not comparable with ImageNet-1k: 10 of its 1,000")
    assert "A part of ImageNet-1k" in dataset.summary


def test_missing_set_is_told_where_it_belongs(tmp_path):
    message = f"no folder '{tmp_path}/imagenette-subset/train'; there is no download: unpack"
    with pytest.raises(DatasetError, match=message):
        build_dataset("imagenette_subset", tmp_path).load("train")


def test_real_set_is_complete_and_balanced(real_dataset):
    dataset = real_dataset("imagenette_subset")
    for split, size in (("train", 80), ("test", 20)):
        found = dataset.load(split)
        assert found.targets.bincount().tolist() == [size] * 10
        assert all(path.is_file() for path in found.paths)


def test_real_set_can_be_limited(real_dataset):
    found = real_dataset("imagenette_subset", per_class=3).load("train")
    assert found.targets.bincount().tolist() == [3] * 10
