"""A cell that is interrupted, and a cell that learns nothing."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kbench import cell_run, phase
from kbench.cell import Cell, Choice, Limit
from kbench.checkpoint import (
    NAME,
    PREVIOUS,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from kbench.errors import CheckpointError
from kbench.evaluations.filters import filter_variance_entropy
from kbench.machine import Machine
from kbench.network import build_network
from kbench.progress import read_history, read_progress
from kbench.recipe import Augmentation
from kbench.record import Record
from kbench.run_cell import run_cell

TIMES = {"train_s", "eval_s", "wall_s", "images_per_s", "s_per_epoch", "peak_memory_mib"}
STEPS = 8  # two epochs of 100 images in batches of 32

pytestmark = pytest.mark.usefixtures("own_cache")


def without_times(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: line[key] for key in line if key not in TIMES} for line in lines]


class TestResume:
    @pytest.fixture
    def whole(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> tuple[Record, list[dict[str, float]]]:
        record = run_cell(small_cell(), tmp_path / "whole", machine)
        return record, read_history(tmp_path / "whole")

    def test_at_every_step_equals_an_uninterrupted_run(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        whole: tuple[Record, list[dict[str, float]]],
        interrupt_cell: Callable[..., None],
    ) -> None:
        record, history = whole
        for step in range(1, STEPS + 1):
            folder = tmp_path / f"after-{step}"
            interrupt_cell(small_cell(), folder, machine, step)
            found = run_cell(small_cell(), folder, machine)
            assert found.weights_sha256 == record.weights_sha256
            assert without_times(read_history(folder)) == without_times(history)

    def test_after_every_step_in_turn_equals_an_uninterrupted_run(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        whole: tuple[Record, list[dict[str, float]]],
        interrupt_cell: Callable[..., None],
    ) -> None:
        for _ in range(STEPS):
            interrupt_cell(small_cell(), tmp_path / "parts", machine, 1)
        found = run_cell(small_cell(), tmp_path / "parts", machine)
        assert found.weights_sha256 == whole[0].weights_sha256

    @pytest.mark.parametrize(
        "recipe",
        [
            {"optimizer": "adamw", "lr": 0.01, "ema_decay": 0.9, "precision": "bf16"},
            {"augmentation": {"crop_padding": 1, "flip": True}, "clip_norm": 0.5},
        ],
        ids=["averaged adamw", "augmented"],
    )
    def test_other_recipes_resume_as_well(
        self,
        recipe: dict[str, object],
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        interrupt_cell: Callable[..., None],
    ) -> None:
        if "augmentation" in recipe:
            recipe = {**recipe, "augmentation": Augmentation(**recipe["augmentation"])}
        cell = small_cell(recipe=recipe)
        interrupt_cell(cell, tmp_path / "parts", machine, 3)
        found = run_cell(cell, tmp_path / "parts", machine)
        assert found.weights_sha256 == run_cell(cell, tmp_path / "whole", machine).weights_sha256

    def test_a_rotten_checkpoint_costs_only_the_steps_since_the_one_before(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        whole: tuple[Record, list[dict[str, float]]],
        interrupt_cell: Callable[..., None],
    ) -> None:
        folder = tmp_path / "rotten"
        interrupt_cell(small_cell(), folder, machine, 2)
        interrupt_cell(small_cell(), folder, machine, 3)
        os.truncate(folder / NAME, 1000)
        state = load_checkpoint(folder, torch.device("cpu"))
        assert state is not None
        assert state["phase"]["training"]["step"] == 2
        assert run_cell(small_cell(), folder, machine).weights_sha256 == whole[0].weights_sha256

    def test_checkpoints_come_at_their_interval(
        self, small_cell: Callable[..., Cell], tmp_path: Path
    ) -> None:
        run_cell(small_cell(), tmp_path, Machine(tmp_path, checkpoint_interval_s=0.0))
        steps = {}
        for name in (NAME, PREVIOUS):
            (tmp_path / name).rename(tmp_path / NAME)
            state = load_checkpoint(tmp_path, torch.device("cpu"))
            assert state is not None
            steps[name] = state["phase"]["training"]["step"]
            (tmp_path / NAME).unlink()
        assert steps == {NAME: STEPS, PREVIOUS: STEPS - 1}

    def test_checkpoint_of_another_cell_is_refused(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        interrupt_cell: Callable[..., None],
    ) -> None:
        other = small_cell(seed=5)
        interrupt_cell(other, tmp_path, machine, 2)
        with pytest.raises(CheckpointError, match=rf"checkpoint is of cell '{other.id}'"):
            run_cell(small_cell(), tmp_path, machine)

    def test_checkpoint_of_another_version_is_not_gone_on_from(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        whole: tuple[Record, list[dict[str, float]]],
        capsys: pytest.CaptureFixture[str],
        interrupt_cell: Callable[..., None],
    ) -> None:
        folder = tmp_path / "old"
        interrupt_cell(small_cell(), folder, machine, 5)
        state = load_checkpoint(folder, torch.device("cpu"))
        assert state is not None
        state["versions"] = {"training": 1, "operator": 0}
        for value in state["phase"]["training"]["model"].values():
            value.fill_(3)
        save_checkpoint(folder, state)
        found = run_cell(small_cell(), folder, machine)
        assert found.weights_sha256 == whole[0].weights_sha256
        assert "starts afresh: its checkpoint is of versions" in capsys.readouterr().err


class TestDivergence:
    def test_infinite_loss_is_a_result_without_numbers(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        record = run_cell(small_cell(recipe={"lr": 1e9}), tmp_path, machine)
        assert (record.status, record.metrics, record.weights_sha256) == ("diverged", {}, "")
        assert record.reason in {"loss is nan in epoch 1", "loss is nan in epoch 2"}
        assert not (tmp_path / "weights.pt").exists()
        json.dumps(record.to_json(), allow_nan=False)

    def test_endless_epoch_stops_at_the_next_check(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
        stop_after: Callable[[int], threading.Event],
    ) -> None:
        monkeypatch.setattr(cell_run, "FINITE_CHECK_STEPS", 10)
        cell = small_cell(recipe={"lr": 1e9, "batch_size": 2, "chance_after_epochs": 1})
        stop = stop_after(25)  # of the epoch's 50 steps
        assert run_cell(cell, tmp_path, machine, stop).reason == "loss is nan in epoch 1"

    def test_guessing_after_the_declared_epochs(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        cell = small_cell(recipe={"lr": 1e-9, "epochs": 3, "chance_after_epochs": 2})
        record = run_cell(cell, tmp_path, machine)
        assert record.status == "diverged"
        assert record.reason.startswith("training accuracy ")
        assert record.reason.endswith(" is chance level after epoch 2")
        assert len(read_history(tmp_path)) == 1

    def test_test_loss_that_is_no_number(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(
            phase, "run_evaluation", lambda *_: {"top1": 10.0, "loss": float("inf")}
        )
        record = run_cell(small_cell(), tmp_path, machine)
        assert (record.status, record.reason) == ("diverged", "loss is inf after the last epoch")


class TestProtocol:
    def test_no_epoch_measures_the_network_as_it_is_initialised(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        cell = small_cell(recipe={"epochs": 0}, evaluate=(Choice("test"), Choice("fgsm")))
        record = run_cell(cell, tmp_path, machine)
        torch.manual_seed(cell.seed)
        expected = build_network(cell).state_dict()
        torch.testing.assert_close(load_weights(tmp_path), expected, rtol=0, atol=0)
        assert {"top1", "fgsm_top1", "num_params"} < set(record.metrics)
        assert not {"images_per_s", "train_loss"} & set(record.metrics)

    def test_nothing_is_evaluated_where_nothing_is_asked_for(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        record = run_cell(small_cell(recipe={"epochs": 0}, evaluate=()), tmp_path, machine)
        assert record.status == "ok"
        assert "top1" not in record.metrics

    def test_evaluations_see_the_network_in_evaluation_mode_without_test(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        # The kernel of this operator exists in evaluation mode only.
        operator = Choice("lc", {"intermediate": "bn"})
        cell = small_cell(operator=operator, evaluate=(Choice("filters"),))
        record = run_cell(cell, tmp_path, machine)
        model = build_network(cell)
        model.load_state_dict(load_weights(tmp_path))
        kernels = model.eval().stem.effective_kernel().detach().double().flatten(0, 1)
        assert record.metrics["fve.first"].value == filter_variance_entropy(kernels)

    def test_held_out_images_are_validated_and_not_trained_on(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        record = run_cell(small_cell(recipe={"held_out": 40}), tmp_path, machine)
        lines = read_history(tmp_path)
        assert [line["images"] for line in lines] == [60, 60]
        best = max(lines, key=lambda line: line["val_top1"])
        assert record.metrics["top1_at_best_val"].value == best["top1"]

    @pytest.mark.parametrize("keep", ["best_test", "best_val"])
    def test_best_epoch_is_kept_and_ends_the_training(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine, keep: str
    ) -> None:
        # The rate is so large that the network gets worse.
        recipe = {"epochs": 9, "lr": 2.0, "held_out": 20, "keep": keep, "patience_epochs": 1}
        cell = small_cell(recipe=recipe, evaluate=(Choice("test"), Choice("fgsm", {"epsilon": 0})))
        record = run_cell(cell, tmp_path, machine)
        lines = read_history(tmp_path)
        watched = "top1" if keep == "best_test" else "val_top1"
        best = max(range(len(lines)), key=lambda i: (lines[i][watched], -i))
        assert len(lines) < 9
        assert record.metrics["fgsm_top1"].value == pytest.approx(lines[best]["top1"])

    def test_an_epoch_may_be_a_number_of_steps(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        record = run_cell(small_cell(recipe={"steps_per_epoch": 6}), tmp_path, machine)
        # Four batches of 100 images: 32, 32, 32 and 4.
        assert [line["images"] for line in read_history(tmp_path)] == [164, 136]
        assert record.environment["steps_per_epoch"] == 6

    def test_a_fit_has_the_smallest_error_beside_the_last(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        # The rate is so large that the errors go up and down.
        cell = small_cell(
            task="fitting",
            dataset=Choice("synthetic_picture", {"size": 8}),
            architecture=Choice("coordinate_network", {"hidden": 4}),
            recipe={"epochs": 6, "lr": 1.0, "optimizer": "adam"},
            limit=Limit(None, None),
        )
        record = run_cell(cell, tmp_path, machine)
        errors = [line["mse"] for line in read_history(tmp_path)]
        assert record.metrics["mse"].value == errors[-1]
        assert record.metrics["mse_best"].value == min(errors) < max(errors)

    def test_interruption_changes_no_selection(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        interrupt_cell: Callable[..., None],
    ) -> None:
        recipe = {"epochs": 4, "held_out": 20, "keep": "best_val", "steps_per_epoch": 5}
        cell = small_cell(recipe=recipe)
        whole = run_cell(cell, tmp_path / "whole", machine)
        interrupt_cell(cell, tmp_path / "parts", machine, 12)
        parts = run_cell(cell, tmp_path / "parts", machine)
        assert parts.weights_sha256 == whole.weights_sha256
        histories = [read_history(tmp_path / name) for name in ("whole", "parts")]
        assert without_times(histories[0]) == without_times(histories[1])


class TestProgress:
    def test_progress_is_there_from_the_beginning(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        interrupt_cell: Callable[..., None],
    ) -> None:
        interrupt_cell(small_cell(), tmp_path, machine, 1)
        progress = read_progress(tmp_path)
        assert progress is not None
        assert (progress.epoch, progress.epochs, progress.pid) == (0.0, 2, os.getpid())

    def test_epochs_that_take_no_time_are_not_reported_each(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        written: list[float] = []
        monkeypatch.setattr(cell_run, "SHORTEST_INTERVAL_S", 3600.0)
        monkeypatch.setattr(cell_run, "report_interval", lambda _: 3600.0)
        monkeypatch.setattr(
            cell_run, "write_progress", lambda _, progress: written.append(progress.epoch)
        )
        run_cell(small_cell(), tmp_path, machine)
        assert written == [0.0, 2.0]

    def test_epochs_and_steps_that_take_long_are_reported_each(
        self,
        small_cell: Callable[..., Cell],
        tmp_path: Path,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        written: list[float] = []
        monkeypatch.setattr(cell_run, "SHORTEST_INTERVAL_S", 0.0)
        monkeypatch.setattr(cell_run, "report_interval", lambda _: 0.0)
        monkeypatch.setattr(
            cell_run, "write_progress", lambda _, progress: written.append(progress.epoch)
        )
        run_cell(small_cell(), tmp_path, machine)
        assert written[0] == 0.0
        assert [epoch for epoch in written if epoch == int(epoch)][-1] == 2.0
        assert len(written) > STEPS
