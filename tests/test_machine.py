import os
from pathlib import Path

import pytest

from kbench.machine import count_cores, data_root, default_threads, find_gpus


@pytest.mark.parametrize(
    ("value", "root"), [("/data/sets", "/data/sets"), ("", "data"), (None, "data")], ids=str
)
def test_data_lies_where_the_variable_says(monkeypatch, value, root) -> None:
    monkeypatch.delenv("KBENCH_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("KBENCH_DATA", value)
    assert data_root() == Path(root)


def test_only_cores_that_this_process_may_use_count(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7})
    assert count_cores() == 3


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        ("0,2", ("0", "2")),
        (" 1 , GPU-8932f937 ", ("1", "GPU-8932f937")),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),
        ("0,", ("0",)),
    ],
    ids=repr,
)
def test_gpus_are_those_that_cuda_would_show(monkeypatch, visible, gpus) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_gpus() == gpus


@pytest.mark.parametrize(
    ("script", "gpus"),
    [("echo 0; echo 1", ("0", "1")), ("echo no driver >&2; exit 9", ()), (None, ())],
    ids=["two", "broken", "none"],
)
def test_without_the_variable_the_driver_is_asked(tmp_path, monkeypatch, script, gpus) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / ("nvidia-smi" if script else "other")
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus() == gpus


@pytest.mark.parametrize(
    ("cores", "jobs", "limit", "threads"),
    [(8, 2, None, 4), (2, 4, None, 1), (8, 2, "1", 1), (2, 1, "16", 2), (2, 1, "many", 2)],
    ids=["shared", "more jobs than cores", "limited", "limit above", "no number"],
)
def test_threads_are_the_cores_divided_unless_openmp_is_limited(
    monkeypatch: pytest.MonkeyPatch, cores: int, jobs: int, limit: str | None, threads: int
) -> None:
    monkeypatch.setattr("kbench.machine.count_cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert default_threads(jobs) == threads
