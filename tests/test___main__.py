import subprocess
import sys

import pytest

from kbench import __version__


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--version"], 0, f"kbench, version {__version__}"),
        (["--help"], 0, "Usage: kbench [OPTIONS] COMMAND"),
        (["plot"], 2, "No such command 'plot'"),
    ],
    ids=["version", "help", "wrong"],
)
def test_the_module_is_the_command(arguments, status, text) -> None:
    program = [sys.executable, "-m", "kbench", *arguments]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert text in done.stdout + done.stderr


def test_spawned_processes_may_import_it() -> None:
    program = [sys.executable, "-c", "import kbench.__main__"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
