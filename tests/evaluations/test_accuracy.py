"""The evaluation `test` counts what a loop over the images counts."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from kbench.cell import Choice
from kbench.evaluations import run_evaluation
from kbench.evaluations.network import Evaluated


class Watching(nn.Linear):
    """A layer that remembers in which type it computes."""

    dtypes: list[torch.dtype]

    def forward(self, x: Tensor) -> Tensor:
        output = super().forward(x.flatten(1))
        self.dtypes = [*getattr(self, "dtypes", []), output.dtype]
        return output


IMAGES, TARGETS = torch.arange(176.0).sin().view(11, 1, 4, 4), torch.arange(11) % 3


@pytest.fixture
def network(evaluate) -> Evaluated:
    torch.manual_seed(0)
    return evaluate(Watching(16, 7), IMAGES)


def test_every_image_counts_once(network: Evaluated) -> None:
    best = [int(network.model(image[None]).argmax()) for image in IMAGES]
    right = sum(guess == int(target) for guess, target in zip(best, TARGETS, strict=True))
    found = run_evaluation(Choice("test"), network)
    assert set(found) == {"top1", "top5", "loss"}
    assert found["top1"] == pytest.approx(100 * right / 11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_forward_runs_in_the_precision_of_the_recipe(
    network: Evaluated, dtype: torch.dtype
) -> None:
    run_evaluation(Choice("test"), replace(network, dtype=dtype))
    assert set(network.model.dtypes) == {dtype}
