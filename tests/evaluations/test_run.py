"""What holds for every registered evaluation."""

import copy

import pytest
import torch

from kbench.architectures import build_architecture
from kbench.cell import Choice
from kbench.evaluations import run_evaluation
from kbench.metrics import find_metric
from kbench.registry import EVALUATIONS

OPTIONS = {"speed": {"repetitions": 1, "batch_size": 2}}
OPERATORS = {
    "conv": {},
    "lc": {"expansion": 2},
    "njet": {},
    "gmconv": {"variant": "dynamic"},
    "flexconv": {},
}


def network_of(evaluate, operator="conv", width=4):
    torch.manual_seed(0)
    model = build_architecture(
        "resnet8_cifar",
        operator=operator,
        operator_options=OPERATORS[operator],
        num_classes=10,
        in_channels=3,
        width=width,
    )
    return evaluate(model, torch.rand(5, 3, 16, 16))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", EVALUATIONS)
class TestEveryEvaluation:
    @pytest.mark.slow
    def test_network_is_left_as_it_was(self, evaluate, name, operator) -> None:
        network = network_of(evaluate, operator)
        parameters = list(network.model.parameters())
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        network.model.train()
        network.model.stem.eval()
        before = copy.deepcopy(network.model.state_dict())
        modes = [module.training for module in network.model.modules()]
        run_evaluation(Choice(name, OPTIONS.get(name, {})), network)
        if name != "test":  # the task's own, which leaves evaluation mode
            assert [module.training for module in network.model.modules()] == modes
        torch.testing.assert_close(dict(network.model.state_dict()), dict(before), rtol=0, atol=0)
        assert all(torch.equal(p.grad, torch.ones_like(p)) for p in parameters)
        assert all(not module._forward_hooks for module in network.model.modules())

    def test_values_are_finite_and_known(self, evaluate, name, operator) -> None:
        network = network_of(evaluate, operator)
        found = run_evaluation(Choice(name, OPTIONS.get(name, {})), network)
        for metric, value in found.items():
            assert find_metric(metric).name == metric
            assert torch.tensor(float(value)).isfinite()
