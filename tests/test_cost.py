import dataclasses
import json

import pytest

from kbench import cost as cost_module
from kbench.cell import Choice
from kbench.cost import Cost, cache_folder, find_cost, network_key
from kbench.errors import UnsupportedError

FIELDS = {"num_params": 10, "num_learnable_params": 8, "macs": 100, "train_images": 50}
pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def measured(monkeypatch):
    """Replace the measurement; gives the list of cells that were measured."""
    cells = []
    monkeypatch.setattr(cost_module, "_measure", lambda cell: cells.append(cell) or FIELDS)
    return cells


def test_a_network_is_measured_once(demo_cell, measured) -> None:
    assert find_cost(demo_cell()) == Cost(**FIELDS)
    assert find_cost(demo_cell(7, scale="smoke")) == Cost(**FIELDS)
    assert len(measured) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": Choice("digits", {"size": 16})},
        {"architecture": Choice("resnet8_cifar", {"width": 8})},
        {"operator": Choice("lc")},
        {"imports": ("mine",)},
    ],
    ids=str,
)
def test_another_network_has_another_key(demo_cell, changes) -> None:
    assert network_key(demo_cell(**changes)) != network_key(demo_cell())


def test_labels_seeds_and_recipes_change_no_key(demo_cell) -> None:
    other = demo_cell(5, operator=Choice("conv", {}, "x"), recipe_label="y", scale="small")
    assert network_key(other) == network_key(demo_cell())


def test_networks_of_a_users_own_modules_are_not_remembered(demo_cell, measured) -> None:
    for _ in range(2):
        find_cost(demo_cell(imports=("mine",)))
    assert len(measured) == 2


def test_networks_of_installed_packages_are_not_remembered(demo_cell, measured) -> None:
    """Their sources may change without any of kbench's."""
    for _ in range(2):
        find_cost(demo_cell(operator=Choice("own")))
    assert len(measured) == 2


def test_a_network_that_cannot_exist_is_remembered_with_its_reason(demo_cell, monkeypatch) -> None:
    monkeypatch.setattr(cost_module, "_measure", lambda _: "no stride 2")
    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"^no stride 2$"):
            find_cost(demo_cell())
        monkeypatch.setattr(cost_module, "_measure", lambda _: FIELDS)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"macs": 1}', "3"], ids=repr)
def test_a_damaged_memory_is_measured_again(demo_cell, measured, content) -> None:
    find_cost(demo_cell())
    (path,) = (cache_folder() / "costs").iterdir()
    path.write_text(content)
    assert find_cost(demo_cell()) == Cost(**FIELDS)
    assert len(measured) == 2
    assert json.loads(path.read_text()) == FIELDS


def test_a_cache_that_cannot_be_written_costs_time_only(demo_cell, measured, own_cache) -> None:
    own_cache.parent.write_text("a file where a folder should be")
    for _ in range(2):
        assert find_cost(demo_cell()) == Cost(**FIELDS)
    assert len(measured) == 2


@pytest.mark.parametrize("name", ["operators/new.py", "work.py", "datasets/deep/er.py"])
def test_a_changed_source_forgets_what_was_measured(tmp_path, monkeypatch, name) -> None:
    for path in ("network.py", "cost.py", "work.py", name):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("a = 1\n")
    monkeypatch.setattr(cost_module, "PACKAGE", tmp_path)
    before = cost_module.source_stamp.__wrapped__()
    (tmp_path / name).write_text("a = 10\n")
    assert cost_module.source_stamp.__wrapped__() != before


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache_folder()) == "/home/someone/.cache/kbench"


def test_metrics_of_a_cost_are_counts() -> None:
    cost = Cost(**FIELDS)
    assert cost.metrics == {"num_params": 10, "num_learnable_params": 8, "macs": 100}
    assert dataclasses.is_dataclass(cost)
