"""A protocol of two phases: train at one size, deploy at another, train on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kbench.architectures.resolution import transfer
from kbench.cell import Cell, Choice
from kbench.checkpoint import load_checkpoint, load_weights
from kbench.cross_resolution import divide_phases
from kbench.datasets import build_dataset
from kbench.machine import Machine
from kbench.network import build_network, find_input_shape
from kbench.progress import read_history
from kbench.recipe import Augmentation, Finetune
from kbench.run_cell import run_cell

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def crossing(small_cell: Callable[..., Cell]) -> Callable[..., Cell]:
    """Return a function that makes a cell from 8 to 12 pixels, of two epochs and `epochs` more."""

    def make(epochs: int = 2, **recipe: object) -> Cell:
        return small_cell(
            architecture=Choice("flexnet3", {"width": 4}),
            operator=Choice("flexconv", {"sigma_init": 0.25}),
            recipe={"finetune": Finetune(epochs=epochs, size=12), **recipe},
        )

    return make


class TestDivide:
    def test_dataset_changes_its_size(self, crossing: Callable[..., Cell]) -> None:
        first, second = divide_phases(crossing())
        assert (first.dataset.options, second.dataset.options) == ({}, {"size": 12})
        assert [cell.recipe.finetune for cell in (first, second)] == [None, None]
        assert [find_input_shape(cell)[-1] for cell in (first, second)] == [8, 12]

    def test_images_that_are_resized_change_that(self, crossing: Callable[..., Cell]) -> None:
        cell = crossing(augmentation=Augmentation(resize=6))
        first, second = divide_phases(cell)
        assert first.dataset == second.dataset
        assert [find_input_shape(cell)[-1] for cell in (first, second)] == [6, 12]

    @pytest.mark.parametrize(("padding", "expected"), [(None, 1), (2, 2), (0, 0)])
    def test_second_phase_may_crop_otherwise(
        self, small_cell: Callable[..., Cell], padding: int | None, expected: int
    ) -> None:
        finetune = Finetune(epochs=1, size=12, crop_padding=padding)
        recipe = {"augmentation": Augmentation(crop_padding=1), "finetune": finetune}
        first, second = divide_phases(small_cell(recipe=recipe))
        assert first.recipe.augmentation.crop_padding == 1
        assert second.recipe.augmentation == Augmentation(crop_padding=expected)

    def test_plain_cell_has_one_phase(self, small_cell: Callable[..., Cell]) -> None:
        assert divide_phases(small_cell()) == (small_cell(),)


def test_deployed_network_is_measured_before_it_is_trained_on(
    crossing: Callable[..., Cell], tmp_path: Path, machine: Machine
) -> None:
    record = run_cell(crossing(epochs=0), tmp_path, machine)
    plain = replace(crossing(), recipe=replace(crossing().recipe, finetune=None))
    alone = run_cell(plain, tmp_path / "alone", machine)
    value = {name: metric.value for name, metric in record.metrics.items()}
    assert value["source_top1"] == alone.metrics["top1"].value
    trained = build_network(plain)
    trained.load_state_dict(load_weights(tmp_path / "alone"))
    model = transfer(trained, 8, 12)
    split = build_dataset("digits", size=12).load("test").first(64)
    right = model.eval()((split.images - 0.5) / 0.5).argmax(1) == split.targets
    assert value["ootb_top1"] == 100 * int(right.sum()) / 64
    assert value["ootb_delta"] == value["ootb_top1"] - value["source_top1"]
    assert value["finetuned_top1"] == value["ootb_top1"]


def test_each_phase_has_its_lines_and_its_own_best_epoch(
    crossing: Callable[..., Cell], tmp_path: Path, machine: Machine
) -> None:
    record = run_cell(crossing(keep="best_test", schedule="cosine"), tmp_path, machine)
    lines = read_history(tmp_path)
    assert [(line["phase"], line["epoch"]) for line in lines] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    # Cosine starts anew: the first epoch of each phase ends at the same rate.
    assert lines[0]["lr"] == lines[2]["lr"]
    best = [max(line["top1"] for line in lines if line["phase"] == phase) for phase in (1, 2)]
    found = [record.metrics[name].value for name in ("source_top1", "finetuned_top1")]
    assert found == best


def test_work_is_that_at_the_size_of_the_last_phase(
    small_cell: Callable[..., Cell], machine: Machine, tmp_path: Path
) -> None:
    cell = small_cell(
        architecture=Choice("flexnet3", {"width": 2, "kernel_size": 1}),
        recipe={"finetune": Finetune(epochs=1, size=12)},
    )
    # Kernels of one pixel, and shortcuts where widths differ; channels 3, 2, 2, 3, 4.
    a_pixel = 1 * 2 + 2 * 2 * 2 + (2 * 3 + 3 * 3 + 2 * 3) + (3 * 4 + 4 * 4 + 3 * 4)
    record = run_cell(cell, tmp_path, machine)
    assert record.metrics["macs"].value == a_pixel * 12 * 12 + 4 * 10


@pytest.mark.slow
@pytest.mark.parametrize("step", [8, 11])
def test_interruption_changes_nothing(
    crossing: Callable[..., Cell],
    tmp_path: Path,
    machine: Machine,
    step: int,
    interrupt_cell: Callable[..., None],
) -> None:
    cell = crossing(keep="best_test")
    whole = run_cell(cell, tmp_path / "whole", machine)
    interrupt_cell(cell, tmp_path / "parts", machine, step)
    state = load_checkpoint(tmp_path / "parts", torch.device("cpu"))
    assert state is not None
    assert state["number"] == (step > 8)
    parts = run_cell(cell, tmp_path / "parts", machine)
    assert parts.weights_sha256 == whole.weights_sha256
    names = ("source_top1", "ootb_top1", "finetuned_top1", "top1")
    assert [parts.metrics[name] for name in names] == [whole.metrics[name] for name in names]
