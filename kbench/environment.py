"""Where a result was made: versions, commit, hardware."""

import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("kbench", "torch", "torchvision", "numpy", "ffcv")


def describe_environment() -> dict[str, Any]:
    """Return versions, commit, hardware and command of this process, without importing torch."""
    return {
        "versions": {"python": platform.python_version(), **_package_versions()},
        "commit": read_commit(Path(__file__).parent),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def read_commit(folder: Path) -> dict[str, Any]:
    """Return hash and dirty flag of the checkout that holds the folder; nulls outside of one."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return {"hash": commit, "dirty": None if commit is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git of the user's PATH
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _package_versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
