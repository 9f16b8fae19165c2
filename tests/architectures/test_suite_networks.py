"""Every network that a suite on disk combines takes a step at its smallest input.

A network is an architecture and an operator with all their options. Numbers run through those that
are small, shapes and gradients through all: on the meta device they cost nothing. By default one
network of a suite's smallest scale stands for each pair of a family and an operator.
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
from kbench.registry import ARCHITECTURES
from kbench.suite import load_suite

FOLDER = Path(__file__).parents[2] / "suites"
SUITES = sorted(
    path for path in FOLDER.rglob("*.yaml") if not {"recipes", "published"} & set(path.parts)
)
# Networks of up to this many parameters run on the processor.
LARGEST_QUICK, LARGEST = 500_000, 3_000_000


def load() -> tuple[dict[Hashable, tuple[Cell, bool]], list[str]]:
    """Return a cell for each network, with whether it is quick, and what is wrong with suites."""
    found: dict[Hashable, tuple[Cell, bool]] = {}
    pairs: set[tuple[str, str]] = set()
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
            pair = (ARCHITECTURES[cell.architecture.name].__module__, cell.operator.name)
            if (architecture, operator) not in found:
                is_quick = cell.scale == scales[0] and pair not in pairs
                pairs |= {pair} if is_quick else set()
                found[architecture, operator] = (cell, is_quick)
    return found, problems


NETWORKS, PROBLEMS = load()


def build(cell: Cell, device: str) -> nn.Module:
    with torch.device(device):
        return build_network(cell)


def test_every_suite_can_be_expanded() -> None:
    assert len(SUITES) > 1
    assert PROBLEMS == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, id=cell.id, marks=() if is_quick else pytest.mark.slow)
        for cell, is_quick in NETWORKS.values()
    ],
)
def test_the_smallest_input_gives_gradients_to_every_parameter(
    cell, request, smallest_input, expect_step
) -> None:
    try:
        network = build(cell, "meta")
    except UnsupportedError as error:
        pytest.skip(f"invalid: {error}")
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    shape = smallest_input(network, dataset.input_shape[0])
    is_slow = request.node.get_closest_marker("slow") is not None
    if sum(p.numel() for p in network.parameters()) <= (LARGEST if is_slow else LARGEST_QUICK):
        torch.manual_seed(0)
        network = build(cell, "cpu")
    expect_step(network, shape)
