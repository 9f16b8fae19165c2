from dataclasses import fields

import pytest
import torch
from torch import nn

from kbench.bench import forms as bench_forms
from kbench.bench.forms import SHARED, Circumstances, Settings, measure_forms

SETTINGS = Settings(batch_size=2, repetitions=1)


class Recorder(nn.Module):
    """A convolution that remembers how it was called."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.calls = []

    def forward(self, x):
        y = self.conv(x)
        is_last = x.is_contiguous(memory_format=torch.channels_last)
        self.calls.append((self.training, torch.is_grad_enabled(), x.shape[0], y.dtype, is_last))
        return y


@pytest.fixture
def recorder():
    module = Recorder()
    module.calls = []
    return module


def test_all_parts_of_every_form_are_measured():
    forms = {"operator": nn.Conv2d(2, 3, 3), "plain": nn.Conv2d(2, 3, 1)}
    costs = measure_forms(forms, (2, 5, 5), SETTINGS)
    assert list(costs) == ["operator", "plain"]
    assert [cost.num_params for cost in costs.values()] == [3 * 2 * 9 + 3, 3 * 2 + 3]
    assert [cost.macs for cost in costs.values()] == [2 * 3 * 9 * 2 * 9, 2 * 3 * 25 * 2]
    for cost in costs.values():
        assert cost.forward.median_ms > 0
        assert cost.step.median_ms > 0
        assert cost.peak_mib > 0


def test_only_what_is_asked_for_is_measured():
    costs = measure_forms({"operator": nn.Conv2d(2, 3, 3)}, (2, 5, 5), SETTINGS, ("step",))
    assert costs["operator"].forward is None
    assert costs["operator"].peak_mib is None
    assert len(costs["operator"].step.rounds) == 1


def test_forward_is_evaluation_and_step_is_training(recorder):
    measure_forms({"operator": recorder}, (2, 5, 5), SETTINGS, ("forward", "step"))
    modes = [call[:2] for call in recorder.calls]
    assert set(modes) == {(False, False), (True, True)}
    assert recorder.conv.weight.grad is not None


def test_bf16_is_autocast_of_the_forward_pass(recorder):
    settings = Settings(batch_size=2, repetitions=1, precision="bf16")
    measure_forms({"operator": recorder}, (2, 5, 5), settings, ("forward", "step"))
    assert {call[3] for call in recorder.calls} == {torch.bfloat16}
    assert recorder.conv.weight.grad.dtype == torch.float32


def test_channels_last_reaches_input_and_weight(recorder):
    settings = Settings(batch_size=2, repetitions=1, channels_last=True)
    measure_forms({"operator": recorder}, (2, 5, 5), settings, ("step",))
    assert all(call[4] for call in recorder.calls)
    assert recorder.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_work_beyond_the_bound_is_counted_but_not_done(monkeypatch, recorder):
    monkeypatch.setitem(bench_forms.MAX_MACS, "cpu", 1)
    cost = measure_forms({"operator": recorder}, (2, 5, 5), SETTINGS)["operator"]
    assert cost.macs == 2 * 3 * 9 * 2 * 9
    assert (cost.forward, cost.step, cost.peak_mib) == (None, None, None)


def test_memory_leaves_out_parameters_and_counts_gradients():
    """A bias has a gradient of its size; input, output and their gradients come on top."""
    linear = nn.Linear(64, 64)
    cost = measure_forms({"operator": linear}, (64,), SETTINGS, ("memory",))["operator"]
    num_values = 2 * 64 + 2 * 64 + 64 * 64 + 64  # output, gradients of input, weight and bias
    assert cost.peak_mib == pytest.approx(4 * num_values / 2**20, rel=0.05)


@pytest.mark.slow
def test_compiled_modules_are_measured_too():
    settings = Settings(batch_size=2, repetitions=1, compiled=True)
    cost = measure_forms({"operator": nn.Conv2d(2, 3, 3)}, (2, 5, 5), settings)["operator"]
    assert cost.forward.median_ms > 0
    assert cost.peak_mib > 0


def test_settings_describe_the_shared_columns():
    assert tuple(Settings().describe()) == SHARED
    assert tuple(field.name for field in fields(Circumstances)) == SHARED
