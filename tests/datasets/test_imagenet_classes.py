import re

import pytest
from torchvision.datasets import Imagenette

from kbench.datasets.imagenet_classes import WNIDS


def test_there_are_a_thousand_sorted_distinct_numbers():
    assert len(WNIDS) == 1000
    assert list(WNIDS) == sorted(set(WNIDS))
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in WNIDS)


def test_classes_of_imagenette_are_among_them():
    assert set(Imagenette._WNID_TO_CLASS) < set(WNIDS)


def test_list_is_that_of_timm():
    info = pytest.importorskip("timm.data")
    assert info.ImageNetInfo("imagenet-1k").label_names() == list(WNIDS)
