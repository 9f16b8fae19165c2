"""Speed of a network: what is timed, and that nothing of it stays behind."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.evaluations.speed import speed
from kbench.operators import build_operator


class Watching(nn.Module):
    """A convolution that notes in which mode and with what it was called."""

    calls: ClassVar[list[tuple[bool, bool, tuple[int, ...]]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append((self.training, torch.is_grad_enabled(), tuple(x.shape)))
        return self.drop(self.norm(self.conv(x))).mean((2, 3))


@pytest.fixture
def watching(monkeypatch) -> Watching:
    monkeypatch.setattr(Watching, "calls", [])
    return Watching()


class TestSpeed:
    def test_both_passes_are_timed_on_the_batch_that_was_asked_for(
        self, evaluate, watching
    ) -> None:
        found = dict(
            speed(evaluate(watching, torch.zeros(2, 3, 6, 6)), batch_size=5, repetitions=1)
        )
        assert set(watching.calls) == {
            (False, False, (5, 3, 6, 6)),
            (True, True, (5, 3, 6, 6)),
        }
        assert found["forward_images_per_s"] == pytest.approx(5 / found["forward_s"])
        assert found["iteration_images_per_s"] == pytest.approx(5 / found["iteration_s"])
        assert 0 < found["forward_s"] < found["iteration_s"]

    def test_inference_alone(self, evaluate, watching) -> None:
        network = evaluate(watching, torch.zeros(2, 3, 6, 6))
        found = dict(speed(network, repetitions=1, train=False))
        assert set(found) == {"forward_s", "forward_images_per_s", "pass_memory_mib", "pass_macs"}
        assert {has_grad for _, has_grad, _ in watching.calls[:-1]} == {False}

    def test_training_form_has_the_operators_and_folded_form_plain_ones(
        self, evaluate, monkeypatch
    ) -> None:
        layer = build_operator("lc", 3, 4, 3, padding=1)
        calls = []
        forward = type(layer).forward
        monkeypatch.setattr(
            type(layer), "forward", lambda self, x: calls.append(1) or forward(self, x)
        )
        network = evaluate(nn.Sequential(layer), torch.zeros(2, 3, 6, 6))
        folded = dict(speed(network, repetitions=1, folded=True))
        assert calls == []
        found = dict(speed(network, repetitions=1))
        assert calls
        assert set(folded) == {f"{name}.folded" for name in found}
        assert next(iter(network.model)) is layer

    @pytest.mark.parametrize(
        ("options", "macs"),
        [
            # Section 5.1 of LC's specification, and its classifier of 4 W K.
            ({"expansion": 1, "execution": "two_stage"}, 45_793_280 + 640),
            ({"expansion": 8, "execution": "two_stage"}, 364_511_232 + 640),
            # Section 4: the plain network and one fold of 14 826 240 E for both images.
            ({"expansion": 4}, 40_812_544 + 640 + 14_826_240 * 4 // 2),
        ],
        ids=["two stages", "two stages x8", "folded"],
    )
    def test_work_is_that_of_the_paper(self, evaluate, options, macs) -> None:
        model = build_architecture("resnet20_cifar", operator="lc", operator_options=options)
        network = evaluate(model, torch.zeros(1, 3, 32, 32))
        found = dict(speed(network, repetitions=1, train=False, batch_size=2))
        assert found["pass_macs"] == macs

    def test_memory_holds_network_inputs_and_activations(self, evaluate) -> None:
        conv = nn.Conv2d(3, 4, 1, bias=False)
        network = evaluate(conv, torch.zeros(1, 3, 64, 64))
        found = dict(speed(network, repetitions=1, train=False, batch_size=8))
        pixels = 8 * 64 * 64
        expected = 4 * (3 * 4 + 3 * pixels + 4 * pixels)
        assert found["pass_memory_mib"] == pytest.approx(expected / 2**20)

    def test_numbers_of_others_are_not_drawn(self, evaluate, watching) -> None:
        network = evaluate(watching, torch.zeros(2, 3, 6, 6))
        state = torch.get_rng_state()
        list(speed(network, repetitions=1))
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.gpu
def test_memory_is_that_of_the_network_and_leaves_the_process_peak(evaluate) -> None:
    device = torch.device("cuda")
    torch.empty(2**28, dtype=torch.uint8, device=device)
    before = torch.cuda.max_memory_allocated()
    network = evaluate(nn.Sequential(nn.Conv2d(3, 4, 3)).to(device), torch.zeros(2, 3, 64, 64))
    found = dict(speed(replace(network, device=device), repetitions=1, batch_size=64))
    inputs_mib = 64 * 3 * 64 * 64 * 4 / 2**20
    assert inputs_mib < found["pass_memory_mib"] < 256
    assert torch.cuda.max_memory_allocated() >= before
