import os
import subprocess
import sys

import pytest

from kbench import environment
from kbench.environment import describe_environment, read_commit


def git(folder, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "a.py").write_text("a = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "x")
    return folder


def test_the_commit_is_that_of_the_checkout(checkout) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert read_commit(checkout / "package") == {"hash": commit, "dirty": False}


def test_only_changes_of_the_package_make_it_dirty(checkout) -> None:
    (checkout / "results").mkdir()
    (checkout / "package" / "untracked.txt").touch()
    assert read_commit(checkout / "package")["dirty"] is False
    (checkout / "package" / "a.py").write_text("a = 2\n")
    assert read_commit(checkout / "package")["dirty"] is True


def test_outside_of_a_checkout_there_is_no_commit(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert read_commit(tmp_path) == {"hash": None, "dirty": None}


def test_without_git_there_is_no_commit(checkout, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert read_commit(checkout) == {"hash": None, "dirty": None}


def test_everything_that_made_a_result_is_described(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kbench", "run", "my suite.yaml"])
    found = describe_environment()
    assert set(found["versions"]) == {"python", "kbench", "torch", "torchvision", "numpy", "ffcv"}
    assert found["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["command"] == "kbench run 'my suite.yaml'"
    assert found["cpu_cores"] == os.cpu_count()
    assert found["memory_mib"] > 64
    assert all(found[key] for key in ("host", "system", "cpu"))


def test_a_package_that_is_not_there_has_no_version(monkeypatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("kbench", "no-such-package-of-mine"))
    found = describe_environment()["versions"]
    assert found["no-such-package-of-mine"] is None
    assert found["kbench"] is not None
