"""Claims: who runs a cell, across machines that share a folder.

A claim is the file `claim.json` in the cell's folder. It is made by exclusive creation, refreshed
while its owner lives, and expires when it has not been refreshed for a while. Its age is measured
by the file system's own clock, so clocks of machines may differ.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path

NAME = "claim.json"
GUARD = "claim.guard"
BEAT_S = 10.0
EXPIRY_S = 90.0


@dataclass(frozen=True)
class Owner:
    """Who holds a claim.

    Attributes:
        token: Different for every claim that was ever made.
        host: Name of the machine.
        kernel: Boot and process namespace, within which a process id means something.
        pid: The process.
        born: When the process was started, in the kernel's own count.
        job: SLURM's name of the task; empty outside of SLURM.
    """

    token: str
    host: str
    kernel: str
    pid: int
    born: str
    job: str = ""

    @property
    def is_dead(self) -> bool:
        """Return whether the process is known to be gone, which only its own machine can tell."""
        return self.kernel == kernel_name() and self.born != birth_of(self.pid)

    def __str__(self) -> str:
        """Return process, host and job as people name them."""
        job = f", job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}"


@cache
def kernel_name() -> str:
    """Return what distinguishes this machine's processes from those of any other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} without /proc"


def birth_of(pid: int) -> str:
    """Return when a process was started, in ticks since boot; empty if it does not run."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in "ZX" else words[19]


def this_process() -> Owner:
    """Return an owner for a claim of this process."""
    names = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    job = "_".join(filter(None, map(os.environ.get, names))) or os.environ.get("SLURM_JOB_ID", "")
    pid = os.getpid()
    host = socket.gethostname()
    return Owner(uuid.uuid4().hex, host, kernel_name(), pid, birth_of(pid), job)


def read_owner(path: Path) -> Owner | None:
    """Return who a claim file names; None if it is gone, half written or of another version."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict) or set(value) != {f.name for f in fields(Owner)}:
        return None
    return Owner(**value)


def file_system_time(folder: Path) -> float:
    """Return what a folder's file system takes for now; this machine's time if it is read-only."""
    probe = folder / f".now-{uuid.uuid4().hex}"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:
        return time.time()
    return now


@dataclass
class Claim:
    """A claim of this process on a folder.

    Attributes:
        folder: What is claimed.
        owner: This process.
        is_lost: Set once another process has taken over what was taken for abandoned.
    """

    folder: Path
    owner: Owner = field(default_factory=this_process)
    is_lost: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> Path:
        """Return the claim's file."""
        return self.folder / NAME

    def take(self) -> bool:
        """Return whether the folder is now claimed; it is not while another claim is fresh."""
        return self._create() or self._replace_stale()

    def keep(self, on_loss: Callable[[], object]) -> None:
        """Refresh the claim from a thread until it is released or lost.

        Args:
            on_loss: Called once if another process has taken over.
        """

        def beat() -> None:
            while not self.is_lost.wait(BEAT_S):
                if not self.refresh():
                    self.is_lost.set()
                    on_loss()

        threading.Thread(target=beat, daemon=True).start()

    def refresh(self) -> bool:
        """Return whether the claim is still this process's own, and make it fresh."""
        owner = read_owner(self.path)
        if owner is None:
            return self.path.exists() or self._create()
        if owner.token != self.owner.token:
            return False
        with contextlib.suppress(OSError):
            os.utime(self.path)
        return True

    def release(self) -> None:
        """Give the claim up."""
        self.is_lost.set()
        release(self.folder, self.owner.pid)

    def _create(self) -> bool:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            handle = os.open(self.path, flags, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(self.owner), file)
        return True

    def _replace_stale(self) -> bool:
        """Take over an expired claim, under a guard: one process at a time may remove it."""
        if not self._is_stale():
            return False
        guard = self.path.with_name(GUARD)
        try:
            guard.touch(exist_ok=False)
        except FileExistsError:
            if _age(guard) > EXPIRY_S:  # whoever made it has died within the next few lines
                guard.unlink(missing_ok=True)
            return False
        try:
            if self._is_stale():
                self.path.unlink(missing_ok=True)
            return self._create()
        finally:
            guard.unlink(missing_ok=True)

    def _is_stale(self) -> bool:
        owner = read_owner(self.path)
        return _age(self.path) > EXPIRY_S or (owner is not None and owner.is_dead)


def _age(path: Path) -> float:
    """Return how long ago a file was touched; 0 if it is gone."""
    try:
        return file_system_time(path.parent) - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def release(folder: Path, pid: int) -> None:
    """Remove the claim of a process of this machine that has ended or gives it up."""
    path = folder / NAME
    owner = read_owner(path)
    if owner is not None and (owner.kernel, owner.pid) == (kernel_name(), pid):
        path.unlink(missing_ok=True)
