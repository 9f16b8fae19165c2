"""Work of LC's two layers against section 5.1 of its specification."""

import pytest
import torch

from kbench.architectures import build_architecture
from kbench.evaluations.two_stage import two_stage
from kbench.operators.lc import LC2d

CLASSIFIER = 64 * 10


@pytest.mark.parametrize(
    ("operator", "options", "macs"),
    [
        ("conv", {}, 40_812_544),
        ("lc", {"expansion": 1}, 45_793_280),
        ("lc", {"expansion": 8}, 364_511_232),
        ("lc", {"expansion": 4, "execution": "two_stage"}, 182_386_688),
    ],
    ids=["conv", "lc1", "lc8", "lc4 in two stages"],
)
def test_macs_are_those_of_the_specification(evaluate, operator, options, macs) -> None:
    model = build_architecture("resnet20_cifar", operator=operator, operator_options=options)
    network = evaluate(model, torch.zeros(2, 3, 32, 32))
    assert dict(two_stage(network)) == {"two_stage_macs": macs + CLASSIFIER}


def test_operators_are_folded_again(evaluate) -> None:
    model = build_architecture("resnet8_cifar", operator="lc", width=4)
    list(two_stage(evaluate(model, torch.zeros(1, 3, 8, 8))))
    assert all(m.is_folded for m in model.modules() if isinstance(m, LC2d))
