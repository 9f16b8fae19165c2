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


@pytest.fixture
def slurm_lines(tmp_path, monkeypatch):
    """Return a function that puts stand-ins on PATH, alone there, and gives the lines of SLURM."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "_diagnose_data", lambda: iter(()))

    def lines(**programs: str) -> dict[str, tuple[str, str]]:
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
            (tmp_path / name).chmod(0o755)
        rows = {name: (state, detail) for name, state, detail in diagnose()}
        return {name: rows[name] for name in ("slurm cluster", "munge") if name in rows}

    return lines


SINFO = "if [ $1 = --version ]; then echo slurm 22.05.8; else echo 'main*'; echo gpu; fi"


def test_a_cluster_that_answers_has_version_and_partitions(slurm_lines) -> None:
    assert slurm_lines(sinfo=SINFO, munge="true") == {
        "slurm cluster": ("ok", "slurm 22.05.8, partitions main*, gpu"),
        "munge": ("ok", "gives credentials"),
    }


def test_a_cluster_that_does_not_answer_says_why(slurm_lines) -> None:
    found = slurm_lines(
        sinfo="echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1",
        munge="echo 'munge: Error: Failed to access socket' >&2; exit 6",
    )
    assert {state for state, _ in found.values()} == {"missing"}
    assert "Unable to contact slurm controller" in found["slurm cluster"][1]
    assert "Failed to access socket" in found["munge"][1]


def test_a_cluster_without_munge_has_no_line_for_it(slurm_lines) -> None:
    assert set(slurm_lines(sinfo=SINFO)) == {"slurm cluster"}


def test_without_slurm_there_is_no_line_for_it(slurm_lines) -> None:
    assert slurm_lines(munge="true") == {}
