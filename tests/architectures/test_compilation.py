"""Networks under torch.compile: no graph break but those that an operator gives a reason for."""

import logging

import pytest
import torch

from kbench.architectures import build_architecture
from kbench.catalogue import read_entries

# Forms that a ResNet can hold: its first layers of a stage have stride 2.
OPTIONS = {"niff": {"strided": "subsample"}, "stored_spectrum": {"strided": "subsample"}}
# Forms of which torch captures everything, though the default form needs the host.
WHOLE = [
    ("flexconv", {"crop": False}),
    ("niff", {"strided": "flc"}),
    ("lc", {"frozen": False, "expansion": 2}),
    ("gmconv", {}),
]


@pytest.fixture
def count_breaks(monkeypatch):
    """Return a function that counts breaks in a ResNet, and gives an operator's reason for any."""
    # An expected break is logged with its stack.
    monkeypatch.setattr(logging.getLogger("torch._dynamo"), "disabled", True)

    def count(operator, options):
        network = build_architecture(
            "resnet8_cifar", operator=operator, operator_options=options, width=4
        )
        images = torch.zeros(2, 3, 8, 8)
        network(images)  # fixes the size of maps, where an operator needs to know it
        torch.compiler.reset()
        found = torch._dynamo.explain(network)(images)
        reason = getattr(network.stem, "conformance_exceptions", {}).get("compile", "")
        return found.graph_break_count, reason

    yield count
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize(
    "operator", ["conv", "gmconv", "lc", pytest.param("niff", marks=pytest.mark.slow)]
)
def test_a_residual_network_is_one_graph(count_breaks, operator) -> None:
    assert count_breaks(operator, OPTIONS.get(operator, {})) == (0, "")


# torch asks for it itself when it resumes behind a break.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.slow
@pytest.mark.parametrize("operator", read_entries("operator"))
def test_an_operator_breaks_the_graph_if_and_only_if_it_says_why(count_breaks, operator) -> None:
    breaks, reason = count_breaks(operator, OPTIONS.get(operator, {}))
    assert (breaks > 0) == bool(reason)


@pytest.mark.slow
@pytest.mark.parametrize(("operator", "options"), WHOLE, ids=[name for name, _ in WHOLE])
def test_other_forms_of_an_operator_are_one_graph(count_breaks, operator, options) -> None:
    assert count_breaks(operator, options) == (0, "")
