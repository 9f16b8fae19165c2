import os
import subprocess
import sys

import pytest

from kbench.datasets.lock import hold_lock
from kbench.errors import DatasetError

# Holds the lock until its input ends, and says when it has it.
HOLDER = """
import fcntl, os, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(f"process {os.getpid()} on there")
    file.flush()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", HOLDER, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_lock_leaves_no_file(tmp_path):
    with hold_lock(tmp_path / "lock", "it"):
        assert (tmp_path / "lock").is_file()
    assert list(tmp_path.iterdir()) == []


def test_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError, match="zero"), hold_lock(tmp_path / "lock", "it"):
        _ = 1 / 0
    with hold_lock(tmp_path / "lock", "it"):
        pass


def test_second_process_is_told_who_holds_the_lock(tmp_path, holder):
    message = f"it is being prepared by process {holder.pid} on there, .* '{tmp_path}/lock'"
    with pytest.raises(DatasetError, match=message), hold_lock(tmp_path / "lock", "it"):
        pass


def test_second_holder_of_one_process_is_refused_too(tmp_path):
    lock = tmp_path / "lock"
    with hold_lock(lock, "it"):
        message = f"it is being prepared by process {os.getpid()} on "
        with pytest.raises(DatasetError, match=message), hold_lock(lock, "it"):
            pass
        assert lock.is_file()


def test_lock_ends_with_a_killed_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / "lock").is_file()
    with hold_lock(tmp_path / "lock", "it"):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} ")


def test_missing_folder_is_an_error_of_the_system(tmp_path):
    path = tmp_path / "no" / "lock"
    with pytest.raises(FileNotFoundError, match="no/lock"), hold_lock(path, "it"):
        pass
