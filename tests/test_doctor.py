import pytest

from kbench import doctor
from kbench.doctor import PROGRAMS, diagnose, format_diagnosis


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Return what a bare machine is found to have."""
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return {name: (state, detail) for name, state, detail in diagnose()}


def test_everything_that_a_run_may_need_is_looked_at(found) -> None:
    expected = {"python", "kbench", "torch", "ffcv", "commit", "cpu", "memory", "gpu", "disk"}
    assert expected | set(PROGRAMS) | {"data", "data digits", "data cifar10"} <= set(found)
    assert {state for state, _ in found.values()} == {"ok", "missing"}


def test_what_is_missing_says_what_to_do(found, tmp_path) -> None:
    assert found["gpu"] == ("missing", "cells run on the CPU")
    assert found["data"] == ("missing", f"{tmp_path / 'none'} (KBENCH_DATA)")
    assert {found[program][0] for program in PROGRAMS} == {"missing"}
    state, detail = found["data cifar10"]
    assert state == "missing"
    assert "kbench data prepare cifar10 --download" in detail


def test_what_works_is_ok(found) -> None:
    assert found["data digits"] == ("ok", "complete and verified")
    assert found["torch"][0] == "ok"


def test_without_a_path_programs_are_missing(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("PATH")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(doctor, "_diagnose_data", lambda: iter(()))
    monkeypatch.setattr(doctor, "find_gpus", lambda: ())
    assert {state for name, state, _ in diagnose() if name in PROGRAMS} == {"missing"}


def test_without_torch_nothing_is_imported(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not [name for name, *_ in diagnose() if name.startswith("data ")]


def test_a_diagnosis_is_a_line_each(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "diagnose", lambda: iter([("cpu", "ok", "fast")]))
    assert format_diagnosis().splitlines()[2:] == ["cpu     ok       fast"]
