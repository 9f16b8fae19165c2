import pytest
import torch
from PIL import Image

from kbench.bench.loader_data import find_images, find_pictures


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path / "none"))


def test_images_without_data_have_the_shape_of_cifar10(tmp_path):
    dataset = find_images(tmp_path, 20)
    split = dataset.load("train")
    assert dataset.found_name == "generated"
    assert split.images.shape == (20, *dataset.input_shape) == (20, 3, 32, 32)
    assert split.images.dtype == torch.uint8
    assert 0 <= split.targets.min() <= split.targets.max() <= 9


def test_pictures_without_data_are_generated_as_jpeg(tmp_path):
    dataset = find_pictures(tmp_path, 3)
    paths = dataset.load("train").paths
    assert (dataset.found_name, len(paths)) == ("generated", 3)
    for path in paths:
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (224, 224))
        # A photograph of this size and quality takes 10 to 40 kB.
        assert 10_000 < path.stat().st_size < 40_000
