"""Which epoch's weights are the result."""

import pytest
import torch
from torch import nn

from kbench.recipe import Recipe
from kbench.selection import Selection

LINES = [
    {"top1": 50.0, "loss": 1.0, "val_top1": 40.0, "val_loss": 1.0},
    {"top1": 60.0, "loss": 1.0, "val_top1": 30.0, "val_loss": 1.0},
    {"top1": 60.0, "loss": 0.9, "val_top1": 40.0, "val_loss": 1.0},
    {"top1": 55.0, "loss": 0.1, "val_top1": 35.0, "val_loss": 0.1},
]


def run(keep: str, patience: int | None = None) -> tuple[Selection, nn.Linear]:
    recipe = Recipe(epochs=9, batch_size=1, lr=0.1, keep=keep, patience_epochs=patience)
    selection, model = Selection(recipe, "top1"), nn.Linear(1, 1)
    for epoch, line in enumerate(LINES):
        nn.init.constant_(model.weight, epoch)
        selection.note(line, model)
    return selection, model


@pytest.mark.parametrize(
    ("keep", "epoch"), [("last", 3), ("best_test", 2), ("best_val", 0)], ids=str
)
def test_kept_weights(keep: str, epoch: int) -> None:
    selection, model = run(keep)
    assert selection.line == LINES[epoch]
    selection.restore(model)
    assert model.weight.item() == epoch


@pytest.mark.parametrize(
    ("keep", "patience", "expected"),
    [("best_test", 1, True), ("best_test", 2, False), ("best_val", 3, True), ("last", None, False)],
    ids=str,
)
def test_patience(keep: str, patience: int | None, expected: bool) -> None:
    assert run(keep, patience)[0].is_exhausted is expected


def test_best_values_have_their_direction() -> None:
    lines = [
        {"psnr": 20.0, "mse": 0.01},
        {"psnr": 30.0, "mse": 0.001},
        {"psnr": 25.0, "mse": 0.003},
    ]
    selection = Selection(Recipe(epochs=3, batch_size=1, lr=0.1), "psnr")
    assert selection.best_metrics(lines) == {"psnr_best": 30.0, "mse_best": 0.001}


def test_validation_chooses_the_test_value() -> None:
    selection = Selection(Recipe(epochs=9, batch_size=1, lr=0.1), "top1")
    assert selection.best_metrics(LINES) == {"top1_best": 60.0, "top1_at_best_val": 50.0}


def test_best_epoch_of_equal_accuracies_is_the_one_whose_weights_are_kept() -> None:
    lines = [
        {"top1": 60.0, "top5": 91.0, "loss": 0.9, "val_top1": 40.0, "val_loss": 1.0},
        {"top1": 60.0, "top5": 90.0, "loss": 0.8, "val_top1": 30.0, "val_loss": 1.0},
        {"top1": 55.0, "top5": 92.0, "loss": 0.7, "val_top1": 40.0, "val_loss": 0.9},
    ]
    selection = Selection(Recipe(epochs=9, batch_size=1, lr=0.1), "top1")
    assert selection.best_metrics(lines) == {
        "top1_best": 60.0,
        "top5_at_best": 90.0,
        "top1_at_best_val": 55.0,
    }


def test_state_survives_a_checkpoint() -> None:
    selection, model = run("best_test", 1)
    again = Selection(selection.recipe, "top1")
    again.load_state_dict(selection.state_dict())
    again.restore(model)
    assert (again.line, again.is_exhausted) == (LINES[2], True)
    torch.testing.assert_close(model.weight.detach(), torch.full((1, 1), 2.0))
