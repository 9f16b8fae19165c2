"""Loss and counts against values worked out by hand."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.datasets.digits import Digits
from kbench.errors import SuiteError
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks import build_task
from kbench.tasks.classification import (
    Classification,
    binary_cross_entropy,
    count_correct,
    cross_entropy,
    evaluate,
)

TARGETS = torch.tensor([0, 3, 5, 9])


@pytest.fixture
def logits() -> Tensor:
    return torch.arange(40, dtype=torch.float64).sin().view(4, 10)


class TestLoss:
    def test_smoothed_loss_is_that_of_lc_fact_13(self, logits: Tensor) -> None:
        # The specification prints six decimals.
        assert float(cross_entropy(logits, TARGETS, 0.1)) == pytest.approx(2.270064, abs=5.1e-7)

    def test_target_is_mixed_with_the_uniform_distribution(self, logits: Tensor) -> None:
        target = 0.9 * F.one_hot(TARGETS, 10) + 0.01
        expected = -(target * logits.log_softmax(1)).sum(1).mean()
        # The loss is computed in float32.
        torch.testing.assert_close(
            cross_entropy(logits, TARGETS, 0.1).double(), expected, rtol=1e-6, atol=0
        )

    def test_half_precision_logits_are_summed_in_float32(self, logits: Tensor) -> None:
        loss = cross_entropy(logits.bfloat16(), TARGETS, 0.0)
        assert loss.dtype is torch.float32
        torch.testing.assert_close(loss, F.cross_entropy(logits.bfloat16().float(), TARGETS))


class TestBinaryCrossEntropy:
    @pytest.mark.parametrize("smoothing", [0.0, 0.1], ids=["plain", "smoothed"])
    def test_is_the_mean_over_images_and_classes(self, logits: Tensor, smoothing: float) -> None:
        shares = F.one_hot(TARGETS, 10) * (1 - smoothing) + smoothing / 10
        probability = logits.sigmoid()
        terms = shares * probability.log() + (1 - shares) * (1 - probability).log()
        found = binary_cross_entropy(logits, TARGETS, smoothing)
        # The loss is computed in float32.
        torch.testing.assert_close(found.double(), -terms.mean(), rtol=1e-6, atol=0)

    def test_class_numbers_and_shares_mean_the_same(self, logits: Tensor) -> None:
        shares = F.one_hot(TARGETS, 10).float()
        found = [binary_cross_entropy(logits, targets, 0.1) for targets in (TARGETS, shares)]
        assert found[0] == found[1]


class TestTask:
    def test_mixed_images_count_for_the_larger_share(self, logits: Tensor) -> None:
        task = Classification(Digits(Path()), Recipe(epochs=1, batch_size=4, lr=0.1))
        shares = 0.7 * F.one_hot(TARGETS, 10) + 0.3 * F.one_hot(TARGETS.roll(1), 10)
        plain, mixed = (task.count_correct(logits, targets) for targets in (TARGETS, shares))
        assert int(plain) == int(mixed) == int((logits.argmax(1) == TARGETS).sum())

    @pytest.mark.parametrize("name", ["cross_entropy", "bce"])
    def test_recipe_names_the_loss(self, logits: Tensor, name: str) -> None:
        recipe = Recipe(epochs=1, batch_size=4, lr=0.1, loss=name, label_smoothing=0.1)
        losses = {"cross_entropy": cross_entropy, "bce": binary_cross_entropy}
        expected = losses[name](logits, TARGETS, 0.1)
        assert Classification(Digits(Path()), recipe).loss(logits, TARGETS) == expected


def test_dataset_of_another_task_is_refused() -> None:
    recipe = Recipe(epochs=1, batch_size=4, lr=0.1)
    with pytest.raises(SuiteError, match="dataset 'digits' is for task 'classification', not 'fi"):
        build_task("fitting", Digits(Path()), recipe)


class TestCountCorrect:
    def test_three_samples(self) -> None:
        logits = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4], [0.3, 0.2, 0.5]])
        targets = torch.tensor([1, 2, 1])
        counts = [int(count_correct(logits, targets, k)) for k in (1, 2, 3)]
        assert counts == [1, 2, 3]


class TestEvaluate:
    def batches(self, classes: int, sizes: tuple[int, ...]) -> list[Batch]:
        generator = torch.Generator().manual_seed(0)
        return [
            Batch(
                torch.randn(size, classes, generator=generator),
                torch.randint(classes, (size,), generator=generator),
            )
            for size in sizes
        ]

    def test_unequal_batches_count_by_their_images(self) -> None:
        batches = self.batches(10, (7, 7, 3))
        inputs, targets = map(torch.cat, zip(*batches, strict=True))
        best = inputs.argsort(dim=1, descending=True)
        found = evaluate(nn.Identity(), batches)
        assert found["top1"] == pytest.approx(100 * float((best[:, 0] == targets).sum()) / 17)
        in_best = (best[:, :5] == targets[:, None]).any(1)
        assert found["top5"] == pytest.approx(100 * float(in_best.sum()) / 17)
        assert found["loss"] == pytest.approx(float(F.cross_entropy(inputs, targets)), rel=1e-6)

    def test_five_classes_have_no_top5(self) -> None:
        assert set(evaluate(nn.Identity(), self.batches(5, (4,)))) == {"top1", "loss"}

    def test_network_is_in_evaluation_mode_and_makes_no_graph(self) -> None:
        seen: list[tuple[bool, bool]] = []

        class Watching(nn.Linear):
            def forward(self, x: Tensor) -> Tensor:
                output = super().forward(x)
                seen.append((self.training, output.requires_grad))
                return output

        evaluate(Watching(10, 10).train(), self.batches(10, (4,)))
        assert seen == [(False, False)]

    def test_uniform_logits_cost_the_logarithm_of_the_classes(self) -> None:
        batch = Batch(torch.zeros(6, 8), torch.arange(6))
        assert evaluate(nn.Identity(), [batch])["loss"] == pytest.approx(math.log(8), rel=1e-6)
