"""One preparation of a dataset at a time."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbench.errors import DatasetError


@contextmanager
def hold_lock(path: Path, subject: str) -> Iterator[None]:
    """Hold a lock for the length of a `with` block; its file is gone afterwards.

    The lock is the operating system's (`flock`): it ends with the process that holds it, so that a
    crash leaves none behind.

    Args:
        path: Where the lock's file is; its folder exists.
        subject: What is locked, for the message.

    Raises:
        DatasetError: If another process holds the lock; names the file and the process.
        OSError: If the file cannot be written, or its file system knows no locks.
    """
    descriptor = _acquire(path, subject)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, subject: str) -> int:
    """Return the descriptor of the locked file, the one that the path names."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            message = f"{subject} is being prepared by {holder}, which holds {str(path)!r}"
            raise DatasetError(message) from None
        except OSError:
            os.close(descriptor)
            raise
        if _is_same(path, descriptor):
            return descriptor
        # Its holder removed the file between our opening and locking it.
        os.close(descriptor)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
