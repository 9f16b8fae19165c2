"""One copy from the device serves all layers of a network."""

import copy

import pytest
import torch
from torch import nn

from kbench.operators import host_copy
from kbench.operators.host_copy import HostCopies


class CountingCopies(HostCopies):
    reads = 0

    def _read_all(self, device: torch.device) -> None:
        self.reads += 1
        super()._read_all(device)


@pytest.fixture
def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor([float(n)])) for n in range(3)]


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch, parameters: list[nn.Parameter]) -> CountingCopies:
    """Host copies of parameters that count as lying on a device."""
    monkeypatch.setattr(host_copy, "lies_on_host", lambda _: False)
    copies = CountingCopies()
    for parameter in parameters:
        copies.add(parameter)
    return copies


def read_all(copies: HostCopies, parameters: list[nn.Parameter]) -> list[float]:
    return [copies.read(slot, parameter) for slot, parameter in enumerate(parameters)]


def test_training_pass_reads_the_device_once(copies, parameters) -> None:
    for step in range(1, 4):
        assert read_all(copies, parameters) == [step - 1.0, float(step), step + 1.0]
        assert copies.reads == step
        with torch.no_grad():
            torch._foreach_add_(parameters, 1.0)


def test_writes_that_torch_does_not_count_are_seen_by_the_next_pass(copies, parameters) -> None:
    read_all(copies, parameters)
    for parameter in parameters:
        parameter.data.add_(10)
    assert read_all(copies, parameters) == [10.0, 11.0, 12.0]


def test_evaluation_reads_only_after_a_change(copies, parameters) -> None:
    with torch.no_grad():
        for _ in range(3):
            read_all(copies, parameters)
        assert copies.reads == 1
        parameters[1].fill_(5.0)
        assert read_all(copies, parameters) == [0.0, 5.0, 2.0]
    assert copies.reads == 2


def test_frozen_parameters_are_read_once_in_training(copies, parameters) -> None:
    for parameter in parameters:
        parameter.requires_grad = False
    for _ in range(3):
        assert read_all(copies, parameters) == [0.0, 1.0, 2.0]
    assert copies.reads == 1


def test_replaced_parameter_is_read_in_its_stead(copies, parameters) -> None:
    read_all(copies, parameters)
    parameters[2] = nn.Parameter(torch.tensor([9.0]))
    assert read_all(copies, parameters) == [0.0, 1.0, 9.0]


def test_deepcopy_follows_the_copied_parameters(copies, parameters) -> None:
    network = (copies, parameters)
    other_copies, other_parameters = copy.deepcopy(network)
    with torch.no_grad():
        other_parameters[0].fill_(7.0)
    assert read_all(other_copies, other_parameters) == [7.0, 1.0, 2.0]
    assert other_copies.reads == 1
    assert read_all(copies, parameters) == [0.0, 1.0, 2.0]


def test_numbers_on_the_host_are_read_directly(parameters) -> None:
    copies = CountingCopies()
    slot = copies.add(parameters[1])
    assert copies.read(slot, parameters[1]) == 1.0
    parameters[1].data.fill_(4.0)
    assert copies.read(slot, parameters[1]) == 4.0
    assert copies.reads == 0


def test_tensor_that_is_no_parameter_is_read_directly(copies) -> None:
    assert copies.read(0, torch.tensor([8.0])) == 8.0
    assert copies.reads == 0
