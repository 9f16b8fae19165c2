"""Operators that go wrong, in a module of a user's own."""

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

MODULE = "operators_that_go_wrong"
SOURCE = '''
import ctypes
import os
import time

import torch
from torch import nn

from kbench.executors import worker
from kbench.registry import OPERATORS

write_record = worker.write_record


def operator(name):
    """Register a convolution that does something before each step."""

    def enter(act):
        class Conv(nn.Conv2d):
            def forward(self, x):
                if self.training and x.device.type != "meta":
                    act()
                return super().forward(x)

        OPERATORS.register(name)(Conv)
        return act

    return enter


@operator("raising")
def raise_error():
    for number in range(200):
        print("line", number)
    raise RuntimeError("no luck\\nand a second line")


@operator("crashing")
def crash():
    ctypes.string_at(0)


@operator("greedy")
def fill_memory():
    raise MemoryError("no more")


@operator("too-large")
def allocate():
    torch.empty(2**50)


@operator("leaving")
def leave():
    os._exit(0)


@operator("hanging")
def hang():
    while True:
        time.sleep(0.1)


@operator("slow")
def wait():
    time.sleep(0.01)


@operator("dying-late")
def patch():
    def write(directory, record):
        write_record(directory, record)
        os.abort()

    worker.write_record = write
'''


@pytest.fixture
def own_module(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registries: None,  # noqa: ARG001 - what the module registers is forgotten
) -> str:
    """Write the module where imports find it; return its name."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return MODULE


@pytest.fixture(autouse=True)
def _plain_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare every worker the import of pytest, which is the main module here."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


CLUSTER = "ClusterName             = toy\nMaxArraySize            = 8\n"


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that puts stand-ins for SLURM's programs on PATH, alone there.

    They log their arguments in the returned file; `sbatch` accepts jobs 101, 102, ...
    """
    folder = tmp_path / "fakes"
    folder.mkdir()
    log = folder / "log"
    monkeypatch.setenv("PATH", str(folder))

    def put(**programs: str) -> Path:
        standard = {
            "scontrol": f"echo '{CLUSTER}'",
            "squeue": "true",
            "sbatch": f"echo $((100 + $(/usr/bin/grep -c ^sbatch {log})))",
        }
        for name, text in (standard | programs).items():
            path = folder / name
            path.write_text(f'#!/bin/bash\necho "{name} $*" >>{log}\n{text}\n')
            path.chmod(0o755)
        return log

    return put
