"""The evaluation `test` counts what a loop over the images counts."""

import pytest
import torch
from torch import Tensor, nn

from kbench.cell import Choice
from kbench.datasets.dataset import Split
from kbench.datasets.normalisation import Normalisation
from kbench.evaluations import run_evaluation
from kbench.evaluations.network import Evaluated
from kbench.loaders.memory import MemoryLoader
from kbench.recipe import Augmentation


class Watching(nn.Linear):
    """A layer that remembers in which type it computes."""

    dtypes: list[torch.dtype]

    def forward(self, x: Tensor) -> Tensor:
        output = super().forward(x.flatten(1))
        self.dtypes = [*getattr(self, "dtypes", []), output.dtype]
        return output


@pytest.fixture
def network() -> Evaluated:
    torch.manual_seed(0)
    split = Split(torch.rand(11, 1, 4, 4), torch.arange(11) % 7)
    statistics = Normalisation((0.0,), (1.0,))
    loader = MemoryLoader(
        split,
        batch_size=4,
        augmentation=Augmentation(),
        mean=statistics.mean,
        std=statistics.std,
        seed=0,
        shuffle=False,
    )
    return Evaluated(Watching(16, 7), loader, statistics, torch.device("cpu"))


def test_every_image_counts_once(network: Evaluated) -> None:
    images, targets = network.loader._images, network.loader._targets
    best = [int(network.model(image[None]).argmax()) for image in images]
    right = sum(guess == int(target) for guess, target in zip(best, targets, strict=True))
    found = run_evaluation(Choice("test"), network)
    assert set(found) == {"top1", "top5", "loss"}
    assert found["top1"] == pytest.approx(100 * right / 11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_forward_runs_in_the_precision_of_the_recipe(
    network: Evaluated, dtype: torch.dtype
) -> None:
    mixed = Evaluated(network.model, network.loader, network.statistics, network.device, dtype)
    run_evaluation(Choice("test"), mixed)
    assert set(network.model.dtypes) == {dtype}
