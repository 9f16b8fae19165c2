"""One cell in this process, and its record."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kbench.cell import Cell, Choice, Limit
from kbench.checkpoint import load_weights
from kbench.cost import find_cost
from kbench.datasets import build_dataset
from kbench.errors import DatasetError, UnsupportedError
from kbench.machine import Machine
from kbench.network import build_network
from kbench.progress import read_history
from kbench.record import Record
from kbench.registry import EVALUATIONS
from kbench.run_cell import run_cell

TIMES = {"train_s", "eval_s", "wall_s", "images_per_s", "s_per_epoch", "peak_memory_mib"}

pytestmark = pytest.mark.usefixtures("own_cache")


class TestRecord:
    @pytest.fixture
    def record(self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine) -> Record:
        cell = small_cell(evaluate=(Choice("test"), Choice("fgsm")))
        return run_cell(cell, tmp_path / "cell", machine)

    def test_metrics_are_those_of_the_weights(self, record: Record, tmp_path: Path) -> None:
        torch.manual_seed(0)
        model = build_network(record.cell)
        assert record.metrics["num_params"].value == sum(p.numel() for p in model.parameters())
        model.load_state_dict(load_weights(tmp_path / "cell"))
        split = build_dataset("digits").load("test").first(64)
        logits = model.eval()((split.images - 0.5) / 0.5)
        right = int((logits.argmax(1) == split.targets).sum())
        assert record.metrics["top1"].value == 100 * right / 64

    def test_holds_every_kind_of_metric(self, record: Record) -> None:
        expected = {"top1", "top5", "loss", "train_loss", "train_top1", "fgsm_top1"}
        expected |= {"top1_best", "top5_at_best"}
        expected |= {"num_params", "num_learnable_params", "macs", *TIMES}
        assert set(record.metrics) == expected
        assert record.metrics["wall_s"].value >= record.metrics["train_s"].value > 0

    def test_says_where_it_was_made(self, record: Record) -> None:
        expected = {"host": "here", "device": "cpu", "threads": 1, "loader": "memory"}
        expected |= {"batch_size": 32, "steps_per_epoch": 4}
        assert expected.items() <= record.environment.items()
        assert list(record.environment["dataset_checksums"]) == ["digits.csv.gz"]
        assert record.versions == {"training": 1, "operator": 1}

    def test_history_has_a_line_an_epoch(self, record: Record, tmp_path: Path) -> None:
        history = read_history(tmp_path / "cell")
        assert [line["epoch"] for line in history] == [1, 2]
        assert [line["images"] for line in history] == [100, 100]
        # Cosine over eight steps from 0.1; the rate of an epoch's last step.
        assert [line["lr"] for line in history] == pytest.approx([0.069134172, 0.0038060233])
        assert record.metrics["top1_best"].value == max(line["top1"] for line in history)

    def test_work_is_that_of_the_learned_sizes(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        operator = Choice("njet", {"order": 1, "sigma_init": 1.249, "sigma_lr_scale": 10.0})
        cell = small_cell(operator=operator, evaluate=(Choice("test"), Choice("sizes")))
        record = run_cell(cell, tmp_path, machine)
        # Windows of 7 taps at the start, and of 9 beyond a sigma of 1.25.
        assert record.metrics["kernel_size"].value > 7
        assert record.metrics["macs"].value > find_cost(cell).macs
        last = read_history(tmp_path)[-1]
        assert record.metrics["macs"].value == last["macs"]

    def test_equal_seeds_give_equal_weights(
        self, record: Record, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        again = run_cell(small_cell(), tmp_path / "again", machine)
        other = run_cell(small_cell(seed=1), tmp_path / "other", machine)
        assert again.weights_sha256 == record.weights_sha256 != other.weights_sha256

    def test_evaluations_of_epochs_between_can_be_left_out(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        run_cell(small_cell(recipe={"epochs": 3, "eval_every_epochs": 2}), tmp_path, machine)
        assert ["top1" in line for line in read_history(tmp_path)] == [False, True, True]


class TestBadInput:
    def test_missing_data_names_file_and_remedy(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        cell = small_cell(dataset=Choice("cifar10"))
        with pytest.raises(DatasetError, match=r"no file .*; get it with: kbench data prepare"):
            run_cell(cell, tmp_path, machine)

    def test_limit_beyond_the_split(
        self, small_cell: Callable[..., Cell], tmp_path: Path, machine: Machine
    ) -> None:
        with pytest.raises(DatasetError, match=r"limit \(=2000\) must be 1 to 1437"):
            run_cell(small_cell(limit=Limit(train=2000)), tmp_path, machine)


def test_an_evaluation_that_cannot_be_made_costs_no_training(
    small_cell: Callable[..., Cell],
    tmp_path: Path,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        message = "the centre is dead"
        raise UnsupportedError(message)

    monkeypatch.setitem(EVALUATIONS._entries, "fgsm", refuse)
    cell = small_cell(evaluate=(Choice("test"), Choice("fgsm")))
    record = run_cell(cell, tmp_path, machine)
    assert (record.status, record.reason) == ("ok", "evaluation fgsm: the centre is dead")
    assert "top1" in record.metrics
    assert "fgsm_top1" not in record.metrics
