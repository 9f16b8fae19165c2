"""The fast gradient sign method against LC fact 12 and a literal form."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.datasets.normalisation import Normalisation
from kbench.evaluations.network import Evaluated
from kbench.evaluations.robustness import fgsm, fgsm_accuracy


def scheme_q(seed: int, *shape: int) -> Tensor:
    """Return Q_s of section 11 of the LC specification."""
    t = torch.arange(1, 1 + torch.Size(shape).numel())
    return (((seed + 2) * t**3 + 37 * t**2 + 5 * t) % 1009 / 504 - 1).double().view(shape)


class Linear(nn.Module):
    """The network of fact 12."""

    def forward(self, x: Tensor) -> Tensor:
        return ((x - 0.4) / 0.25) @ scheme_q(1, 3, 8).T


PIXELS = torch.arange(16, dtype=torch.float64).view(2, 8) / 15
TARGETS = torch.tensor([0, 2])


class TestFact12:
    def test_moved_images(self) -> None:
        moved = fgsm(Linear(), PIXELS, TARGETS, 0.1)
        # The specification prints six decimals.
        assert float(moved.sum()) == pytest.approx(7.866667, abs=5.1e-7)
        assert float(moved[0, 0]) == pytest.approx(0.1)
        assert float(moved[1, 7]) == 1.0

    def test_accuracy_falls_from_half_to_nothing(self) -> None:
        moved = fgsm(Linear(), PIXELS, TARGETS, 0.1)
        assert (Linear()(PIXELS).argmax(1) == TARGETS).double().mean() == 0.5
        assert (Linear()(moved).argmax(1) == TARGETS).double().mean() == 0.0


def test_image_moves_alike_in_every_batch() -> None:
    # All but certain: the other class has e^-100 = 27 times the smallest number of float32.
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        model.weight.mul_(100)
    pixels, targets = torch.full((64, 1), 0.5), torch.zeros(64, dtype=torch.int64)
    assert float(fgsm(model, pixels[:1], targets[:1], 0.25)) == 0.25
    assert fgsm(model, pixels, targets, 0.25).unique().tolist() == [0.25]


STATISTICS = Normalisation((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
MEAN, STD = (torch.tensor(values).view(1, 3, 1, 1) for values in STATISTICS)
IMAGE_TARGETS = torch.arange(10) % 3


@pytest.fixture
def pixels() -> Tensor:
    torch.manual_seed(0)
    return torch.randint(256, (10, 3, 4, 4)) / 255


@pytest.fixture
def network(evaluate, pixels) -> Evaluated:
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    return evaluate(model, (pixels - MEAN) / STD, statistics=STATISTICS)


class TestAccuracy:
    def test_equals_a_literal_attack_on_pixels(self, network: Evaluated, pixels: Tensor) -> None:
        moved = pixels.clone().requires_grad_()
        F.cross_entropy(network.model((moved - MEAN) / STD), IMAGE_TARGETS).backward()
        moved = (pixels + 0.05 * moved.grad.sign()).clamp(0, 1)
        right = network.model((moved - MEAN) / STD).argmax(1) == IMAGE_TARGETS
        assert dict(fgsm_accuracy(network, epsilon=0.05)) == {"fgsm_top1": 10.0 * int(right.sum())}

    def test_no_step_is_the_clean_accuracy(self, network: Evaluated, pixels: Tensor) -> None:
        right = network.model((pixels - MEAN) / STD).argmax(1) == IMAGE_TARGETS
        assert dict(fgsm_accuracy(network, epsilon=0.0)) == {"fgsm_top1": 10.0 * int(right.sum())}

    def test_leaves_no_gradient_behind(self, network: Evaluated) -> None:
        list(fgsm_accuracy(network))
        assert all(parameter.grad is None for parameter in network.model.parameters())
