"""Checkpoints are whole or not there; what is damaged is seen."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from kbench.checkpoint import (
    FRESH,
    NAME,
    PREVIOUS,
    WEIGHTS,
    checkpoint_time,
    load_checkpoint,
    load_weights,
    remove_checkpoints,
    save_checkpoint,
    save_weights,
)
from kbench.errors import CheckpointError

CPU = torch.device("cpu")


def make_state(step: int) -> dict[str, object]:
    return {"step": step, "model": {"weight": torch.full((3,), float(step))}, "history": [{"a": 1}]}


def flip_byte(path: Path, position: int = -20) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def saved(directory: Path, *steps: int) -> Path:
    for step in steps:
        save_checkpoint(directory, make_state(step))
    return directory


def step_of(directory: Path) -> int:
    state = load_checkpoint(directory, CPU)
    assert state is not None
    assert torch.equal(state["model"]["weight"], torch.full((3,), float(state["step"])))
    return state["step"]


class TestLoad:
    def test_nothing_saved_is_none(self, tmp_path: Path) -> None:
        assert load_checkpoint(tmp_path, CPU) is None

    def test_newest_is_loaded_and_the_one_before_is_kept(self, tmp_path: Path) -> None:
        assert step_of(saved(tmp_path, 1, 2, 3)) == 3
        (tmp_path / NAME).unlink()
        assert step_of(tmp_path) == 2

    @pytest.mark.parametrize("position", [0, 40, -1], ids=["checksum", "payload", "last byte"])
    def test_flipped_bit_brings_the_previous_one(self, tmp_path: Path, position: int) -> None:
        flip_byte(saved(tmp_path, 1, 2) / NAME, position)
        assert step_of(tmp_path) == 1

    @pytest.mark.parametrize("size", [0, 10, 500], ids=["empty", "no payload", "cut"])
    def test_truncated_file_brings_the_previous_one(self, tmp_path: Path, size: int) -> None:
        os.truncate(saved(tmp_path, 1, 2) / NAME, size)
        assert step_of(tmp_path) == 1

    def test_all_damaged_is_an_error_that_names_both(self, tmp_path: Path) -> None:
        saved(tmp_path, 1, 2)
        flip_byte(tmp_path / NAME)
        flip_byte(tmp_path / PREVIOUS)
        expected = rf"{NAME}: damaged: its checksum does not fit; .*{PREVIOUS}: damaged: .*; delete"
        with pytest.raises(CheckpointError, match=expected):
            load_checkpoint(tmp_path, CPU)

    def test_file_that_was_verified_but_not_yet_renamed_is_the_newest(self, tmp_path: Path) -> None:
        saved(tmp_path, 1, 2)
        (tmp_path / NAME).rename(tmp_path / FRESH)
        assert step_of(tmp_path) == 2

    def test_code_in_a_checkpoint_is_not_run(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.mkdir, (str(tmp_path / "owned"),)

        save_checkpoint(tmp_path, {"step": Evil()})
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            load_checkpoint(tmp_path, CPU)
        assert not (tmp_path / "owned").exists()


class TestSave:
    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_full_disk_keeps_the_last_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        saved(tmp_path, 1)

        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(CheckpointError, match=r"No space left on device; the last check"):
                save_checkpoint(tmp_path, make_state(2))
        assert step_of(tmp_path) == 1
        assert not list(tmp_path.glob("*.tmp"))

    def test_what_the_disk_does_not_hold_replaces_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saved(tmp_path, 1)
        whole = Path.read_bytes
        monkeypatch.setattr(
            Path, "read_bytes", lambda p: whole(p)[:-1] if p.name == FRESH else whole(p)
        )
        with pytest.raises(CheckpointError, match=rf"{FRESH}: damaged"):
            save_checkpoint(tmp_path, make_state(2))
        assert step_of(tmp_path) == 1

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
    def test_real_full_device_names_the_file(self, tmp_path: Path) -> None:
        saved(tmp_path, 1)
        (tmp_path / f"{FRESH}.{os.getpid()}.tmp").symlink_to("/dev/full")
        with pytest.raises(CheckpointError, match=rf"{FRESH}: cannot be written: No space left"):
            save_checkpoint(tmp_path, make_state(2))
        assert step_of(tmp_path) == 1


def test_time_is_that_of_the_newest(tmp_path: Path) -> None:
    assert checkpoint_time(tmp_path) == 0.0
    saved(tmp_path, 1, 2)
    os.utime(tmp_path / PREVIOUS, (50.0, 50.0))
    os.utime(tmp_path / NAME, (70.0, 70.0))
    assert checkpoint_time(tmp_path) == 70.0


def test_removal_leaves_other_files(tmp_path: Path) -> None:
    saved(tmp_path, 1, 2)
    (tmp_path / "record.json").touch()
    remove_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


class TestWeights:
    def test_come_back(self, tmp_path: Path) -> None:
        weights = {"a": torch.arange(3.0), "n": torch.tensor(7)}
        save_weights(tmp_path, weights)
        found = load_weights(tmp_path)
        assert all(torch.equal(found[name], weights[name]) for name in weights)

    def test_damage_is_seen(self, tmp_path: Path) -> None:
        save_weights(tmp_path, {"a": torch.arange(3.0)})
        flip_byte(tmp_path / WEIGHTS)
        with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: damaged"):
            load_weights(tmp_path)

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: cannot be read: No such file"):
            load_weights(tmp_path)

    def test_sum_depends_on_values_alone(self, tmp_path: Path) -> None:
        weight = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        turned = weight.contiguous(memory_format=torch.channels_last)
        assert save_weights(tmp_path, {"a": weight}) == save_weights(tmp_path, {"a": turned})

    @pytest.mark.parametrize(
        "other",
        [
            {"b": torch.zeros(4)},
            {"a": torch.zeros(2, 2)},
            {"a": torch.zeros(4, dtype=torch.float64)},
            {"a": torch.tensor([0.0, 0.0, 0.0, -0.0])},
        ],
        ids=["name", "shape", "type", "one bit"],
    )
    def test_sum_changes_with_everything(
        self, tmp_path: Path, other: dict[str, torch.Tensor]
    ) -> None:
        assert save_weights(tmp_path, {"a": torch.zeros(4)}) != save_weights(tmp_path, other)
