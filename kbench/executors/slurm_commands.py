"""SLURM's own programs: how they are called, and what they say when they refuse."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from kbench.errors import ExecutorError

TIMEOUT_S = 120
PREFIX = re.compile(r"^(?:\w+: )?(?:error|fatal): ")
SETTING = re.compile(r"^(\w+)\s*= (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Cluster:
    """What has to be known of a cluster.

    Attributes:
        name: Its name.
        max_array_size: Every index of an array is below this.
    """

    name: str
    max_array_size: int


def call(program: str, *arguments: str) -> str:
    """Return what one of SLURM's programs prints.

    Raises:
        ExecutorError: If it is not there, or refuses; with its own words.
    """
    path = shutil.which(program)
    if path is None:
        message = f"{program}: no such program on PATH; SLURM is used from one of its login nodes"
        raise ExecutorError(message)
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, arguments as a list
            [path, *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        message = f"{program}: no answer within {TIMEOUT_S} s"
        raise ExecutorError(message) from error
    if done.returncode:
        words = "; ".join(PREFIX.sub("", line) for line in done.stderr.splitlines() if line)
        hint = "; is the munge daemon running on this machine?" if "munge" in words.lower() else ""
        message = f"{program}: {words or f'exit status {done.returncode}'}{hint}"
        raise ExecutorError(message)
    return done.stdout


def read_cluster() -> Cluster:
    """Return the settings of the cluster.

    Raises:
        ExecutorError: If it does not answer, or has no job arrays.
    """
    settings = dict(SETTING.findall(call("scontrol", "show", "config")))
    name, size = settings.get("ClusterName", "").strip(), settings.get("MaxArraySize", "").strip()
    if not size.isdecimal() or int(size) < 1:
        message = f"scontrol: MaxArraySize is {size!r}: this cluster takes no job arrays"
        raise ExecutorError(message)
    return Cluster(name, int(size))
