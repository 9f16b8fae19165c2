"""Intersection over union, weights and shares worked out by hand."""

import math
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.datasets import build_dataset
from kbench.datasets.dataset import Split
from kbench.datasets.segmentation import IGNORED, SegmentationDataset
from kbench.errors import SuiteError
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks import build_task
from kbench.tasks.segmentation import Segmentation, count_confusion, mean_iou

RECIPE = Recipe(epochs=1, batch_size=1, lr=0.1)
# Rows are what is there, columns what was said.
CONFUSION = torch.tensor([[5, 1, 0, 0], [2, 3, 1, 0], [0, 0, 4, 0], [0, 0, 0, 0]])


class Masks(SegmentationDataset):
    """Three classes; class 0 has 6 training pixels, class 1 has 3, class 2 has 1."""

    name = "masks"
    num_classes = 3
    files = ()
    split_sizes: ClassVar = {"train": 2, "test": 1}
    scored_classes = (1, 2)

    def _read(self, split: str) -> Split:
        count = self.split_sizes[split]
        masks = torch.tensor([[[0, 0, 0], [1, 255, 2]], [[0, 0, 0], [1, 1, 255]]])
        return Split(torch.zeros(count, 1, 2, 3), masks[:count].to(torch.uint8))


@pytest.fixture
def task() -> Segmentation:
    return Segmentation(Masks(Path()), RECIPE)


def one_hot(predicted: Tensor) -> Tensor:
    """Return logits (B, K, H, W) whose largest is the predicted class."""
    return F.one_hot(predicted, 3).permute(0, 3, 1, 2).float()


class TestMeanIou:
    @pytest.mark.parametrize(
        ("classes", "expected"),
        [
            # 5 / (5 + 1 + 2), 3 / (3 + 3 + 1), 4 / (4 + 0 + 1).
            ((0, 1, 2), (5 / 8 + 3 / 7 + 4 / 5) / 3),
            ((1, 2), (3 / 7 + 4 / 5) / 2),
            ((0,), 5 / 8),
        ],
        ids=["all", "objects", "background"],
    )
    def test_intersections_over_unions(self, classes: tuple[int, ...], expected: float) -> None:
        assert mean_iou(CONFUSION, classes) == pytest.approx(expected)

    def test_class_that_nowhere_occurs_is_left_out(self) -> None:
        assert mean_iou(CONFUSION, (2, 3)) == pytest.approx(4 / 5)

    def test_class_that_is_only_said_counts_as_0(self) -> None:
        confusion = torch.tensor([[3, 1], [0, 0]])
        assert mean_iou(confusion, (0, 1)) == pytest.approx((3 / 4 + 0) / 2)

    def test_no_class_at_all_is_no_number(self) -> None:
        assert math.isnan(mean_iou(CONFUSION, (3,)))


class TestCountConfusion:
    def test_pixels_are_counted_one_by_one(self) -> None:
        generator = torch.Generator().manual_seed(0)
        predicted = torch.randint(4, (3, 5, 6), generator=generator)
        targets = torch.randint(5, (3, 5, 6), generator=generator)
        targets[targets == 4] = IGNORED
        expected = torch.zeros(4, 4, dtype=torch.int64)
        for said, true in zip(predicted.flatten(), targets.flatten(), strict=True):
            if true != IGNORED:
                expected[true, said] += 1
        found = count_confusion(predicted, targets.to(torch.uint8), 4)
        assert torch.equal(found, expected)


class TestSegmentation:
    def test_weights_are_inverse_to_the_frequencies_and_1_on_average(
        self, task: Segmentation
    ) -> None:
        # 1/6, 1/3, 1 have the mean 1/2.
        assert task.weights.tolist() == pytest.approx([1 / 3, 2 / 3, 2])

    def test_loss_is_the_weighted_mean_of_the_pixels_with_a_class(self, task: Segmentation) -> None:
        logits = torch.randn(2, 3, 2, 3, generator=torch.Generator().manual_seed(0))
        targets = Masks(Path()).load("train").targets
        terms, weights = 0.0, 0.0
        for b in range(2):
            for y in range(2):
                for x in range(3):
                    true = int(targets[b, y, x])
                    if true == IGNORED:
                        continue
                    weight = float(task.weights[true])
                    row = logits[b, :, y, x].double()
                    terms -= weight * float(row[true] - row.logsumexp(0))
                    weights += weight
        # Float32 against float64.
        assert float(task.loss(logits, targets)) == pytest.approx(terms / weights, rel=1e-6)

    def test_share_of_right_pixels_is_summed_over_the_pictures(self, task: Segmentation) -> None:
        targets = torch.tensor([[[0, 1], [255, 2]], [[1, 1], [1, 1]], [[255, 255], [255, 255]]])
        predicted = torch.tensor([[[0, 1], [0, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]])
        found = task.count_correct(one_hot(predicted), targets.to(torch.uint8))
        assert float(found) == pytest.approx(2 / 3 + 1 / 4)

    def test_metrics_are_those_of_all_pixels_together(self, task: Segmentation) -> None:
        generator = torch.Generator().manual_seed(1)
        logits = torch.randn(5, 3, 4, 4, generator=generator)
        targets = torch.randint(3, (5, 4, 4), generator=generator).to(torch.uint8)
        targets[0, :2] = IGNORED
        batches = [Batch(logits[:2], targets[:2]), Batch(logits[2:], targets[2:])]
        found = task.evaluate(nn.Identity(), batches)
        predicted, counted = logits.argmax(1), targets != IGNORED
        ratios = []
        for c in (1, 2):
            said, true = (predicted == c) & counted, targets == c
            ratios.append(float((said & true).sum() / (said | true).sum()))
        assert found["miou"] == pytest.approx(100 * sum(ratios) / 2)
        right = (predicted == targets)[counted]
        assert found["pixel_top1"] == pytest.approx(100 * float(right.float().mean()))
        assert found["loss"] == pytest.approx(float(task.loss(logits, targets)), rel=1e-6)

    def test_right_network_reaches_100_percent(self, task: Segmentation) -> None:
        mask = torch.tensor([[[0, 1, 2], [1, 1, 0]]])
        batch = Batch(100 * one_hot(mask), mask.to(torch.uint8))
        found = task.evaluate(nn.Identity(), [batch])
        assert found == {"miou": 100, "pixel_top1": 100, "loss": pytest.approx(0, abs=1e-9)}
        assert task.metric in found

    def test_gradient_leaves_ignored_pixels_alone(self, task: Segmentation) -> None:
        logits = torch.zeros(1, 3, 2, 3, requires_grad=True)
        targets = Masks(Path()).load("test").targets
        task.loss(logits, targets).backward()
        assert logits.grad is not None
        moved = logits.grad.abs().sum(1) > 0
        assert torch.equal(moved, targets != IGNORED)

    def test_network_is_put_into_evaluation_mode(self, task: Segmentation) -> None:
        network = nn.Dropout(0.5)
        mask = torch.zeros(1, 2, 2, dtype=torch.uint8)
        task.evaluate(network, [Batch(torch.ones(1, 3, 2, 2), mask)])
        assert not network.training

    def test_empty_split_is_refused(self, task: Segmentation) -> None:
        with pytest.raises(ValueError, match="no batch to evaluate"):
            task.evaluate(nn.Identity(), [])

    def test_dataset_without_masks_is_refused(self) -> None:
        with pytest.raises(SuiteError, match="'digits' is for task 'classification'"):
            build_task("segmentation", build_dataset("digits"), RECIPE)
        with pytest.raises(SuiteError, match="dataset 'digits' has no masks"):
            Segmentation(build_dataset("digits"), RECIPE)


def test_unet_learns_scenes_of_digits() -> None:
    from kbench.architectures import build_architecture

    torch.manual_seed(0)
    dataset = build_dataset("digits_scenes")
    task = build_task("segmentation", dataset, RECIPE)
    network = build_architecture("unet", num_classes=11, in_channels=1, width=8, num_levels=2)
    split = dataset.load("train", 64)
    images = (split.images / 255 - 0.5) / 0.5
    batch = Batch(images, split.targets)
    before = task.evaluate(network, [batch])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    network.train()
    for _ in range(15):
        loss = task.loss(network(batch.inputs), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = task.evaluate(network, [batch])
    assert after["loss"] < before["loss"]
    assert after["miou"] > before["miou"]
