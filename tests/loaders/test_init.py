from typing import get_args, get_type_hints

import pytest

from kbench.errors import UnknownNameError
from kbench.loaders import LOADERS, find_loader
from kbench.loaders.memory import MemoryLoader
from kbench.recipe import Recipe


def test_memory_is_a_loader():
    assert find_loader("memory") is MemoryLoader


def test_every_loader_of_a_recipe_exists():
    assert set(get_args(get_type_hints(Recipe)["loader"])) == set(LOADERS)


def test_unknown_loader_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown loader 'memry' \(did you mean 'memory'"):
        find_loader("memry")
