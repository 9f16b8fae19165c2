"""The loaders of a cell: which images, in which order, normalised by what."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kbench.cell import Cell, Limit
from kbench.cell_data import load_data
from kbench.datasets import build_dataset
from kbench.errors import DatasetError
from kbench.recipe import Recipe

CPU = torch.device("cpu")


def make_recipe(**changes: object) -> Recipe:
    return Recipe(**({"epochs": 1, "batch_size": 64, "lr": 0.1} | changes))


def test_training_sees_each_image_of_the_limit_once(
    demo_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    data = load_data(demo_cell(limit=Limit(100, 50)), tmp_path, CPU)
    split = build_dataset("digits").load("train").first(100)
    batches = list(data.train.batches(0))
    assert [len(batch.targets) for batch in batches] == [64, 36]
    seen = torch.cat([batch.inputs for batch in batches]).flatten(1)
    whole = ((split.images - 0.5) / 0.5).flatten(1)
    assert not torch.equal(seen, whole)
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, whole.tolist()))


def test_testing_sees_the_split_in_its_order(
    demo_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    recipe = make_recipe(eval_batch_size=20)
    data = load_data(demo_cell(recipe=recipe, limit=Limit(100, 50)), tmp_path, CPU)
    split = build_dataset("digits").load("test").first(50)
    batches = list(data.test.batches(0))
    assert [len(batch.targets) for batch in batches] == [20, 20, 10]
    assert torch.equal(torch.cat([batch.targets for batch in batches]), split.targets)
    inputs = torch.cat([batch.inputs for batch in batches])
    torch.testing.assert_close(inputs, (split.images - 0.5) / 0.5)


def test_recipe_can_leave_out_the_last_batch(
    demo_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cell = demo_cell(recipe=make_recipe(drop_last=True), limit=Limit(100, 50))
    data = load_data(cell, tmp_path, CPU)
    assert [len(batch.targets) for batch in data.train.batches(0)] == [64]
    assert len(list(data.test.batches(0))) == 1


def test_record_is_told_of_the_source(demo_cell: Callable[..., Cell], tmp_path: Path) -> None:
    data = load_data(demo_cell(), tmp_path, CPU)
    assert data.statistics == ((0.5,), (0.5,))
    assert data.dataset.checksums() == build_dataset("digits").checksums()


def test_held_out_images_are_those_of_numpys_shuffle(
    demo_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    recipe = make_recipe(held_out=30, batch_size=70, eval_batch_size=30)
    data = load_data(demo_cell(recipe=recipe, limit=Limit(100, 50)), tmp_path, CPU)
    split = build_dataset("digits").load("train").first(100)
    order = list(range(100))
    np.random.RandomState(10).shuffle(order)
    assert data.validation is not None
    (held,), (rest,) = list(data.validation.batches(0)), list(data.train.batches(0))
    assert held.targets.tolist() == split.targets[sorted(order[:30])].tolist()
    assert sorted(rest.targets.tolist()) == sorted(split.targets[order[30:]].tolist())


def test_all_images_cannot_be_held_out(demo_cell: Callable[..., Cell], tmp_path: Path) -> None:
    cell = demo_cell(recipe=make_recipe(held_out=100), limit=Limit(100, 50))
    with pytest.raises(DatasetError, match=r"held_out \(=100\) must be less than 100"):
        load_data(cell, tmp_path, CPU)
