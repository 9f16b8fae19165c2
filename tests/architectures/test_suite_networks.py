"""Every network that a suite on disk combines takes a step at its smallest input.

A network is an architecture and an operator with all their options. Numbers run through those that
are small, shapes and gradients through all: on the meta device they cost nothing.
"""

from collections.abc import Hashable
from pathlib import Path

import pytest
import torch
from torch import nn

from kbench.cell import Cell
from kbench.datasets import build_dataset
from kbench.errors import KBenchError, UnsupportedError
from kbench.network import build_network
from kbench.plan import network_of
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = sorted(
    path for path in FOLDER.rglob("*.yaml") if not {"recipes", "published"} & set(path.parts)
)
# Networks of up to this many parameters run on the processor.
LARGEST = 3_000_000


def load() -> tuple[dict[Hashable, Cell], list[str]]:
    """Return a cell for each network, and what is wrong with suites."""
    found: dict[Hashable, Cell] = {}
    problems = []
    for path in SUITES:
        try:
            suite = load_suite(path)
            scales = [name for name in ("smoke", "small", "full") if name in suite.scales]
            cells = [cell for scale in scales for cell in suite.cells(scale)]
        except KBenchError as error:
            problems.append(str(error))
            continue
        for cell in cells:
            architecture, operator, *_ = network_of(cell)
            found.setdefault((architecture, operator), cell)
    return found, problems


NETWORKS, PROBLEMS = load()


def build(cell: Cell, device: str) -> nn.Module:
    with torch.device(device):
        return build_network(cell)


def test_every_suite_can_be_expanded() -> None:
    assert len(SUITES) > 1
    assert PROBLEMS == []


@pytest.mark.slow
@pytest.mark.parametrize("cell", NETWORKS.values(), ids=[cell.id for cell in NETWORKS.values()])
def test_the_smallest_input_gives_gradients_to_every_parameter(
    cell, smallest_input, expect_step
) -> None:
    try:
        network = build(cell, "meta")
    except UnsupportedError as error:
        pytest.skip(f"invalid: {error}")
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    shape = smallest_input(network, dataset.input_shape[0])
    if sum(p.numel() for p in network.parameters()) <= LARGEST:
        torch.manual_seed(0)
        network = build(cell, "cpu")
    expect_step(network, shape)
