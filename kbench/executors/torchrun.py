"""A cell on several devices: torchrun starts one process a device, here or on every node."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from kbench.cell import Cell
from kbench.errors import ExecutorError, InterruptedCellError
from kbench.executors.failure import read_tail, signal_name
from kbench.files import replace_text
from kbench.machine import Machine

JOB = "ranks.json"
AGENT_LOG = "torchrun.txt"
POLL_S = 0.2
GRACE_S = 50
PORTS = range(20000, 60000)
EXIT_CODE = re.compile(r"^  exitcode +: (-?\d+)", re.MULTILINE)  # torchrun's last is the cause


def run_ranks(cell: Cell, directory: Path, machine: Machine, stop: threading.Event) -> None:
    """Run a cell on all its devices; the first process writes the record.

    Args:
        cell: What to run.
        directory: Folder of the cell's files.
        machine: Where and how; with more than one node, within a SLURM job.
        stop: Asks for a checkpoint and an end at the next step.

    Raises:
        InterruptedCellError: If `stop` was set; the checkpoint is saved.
        ExecutorError: If srun is missing, or the processes ended without a result.
    """
    log_path = directory / AGENT_LOG
    log_size = log_path.stat().st_size if log_path.exists() else 0
    job = directory / JOB
    value = {
        "cell": cell.to_json(),
        "machine": {**asdict(machine), "data_root": str(machine.data_root)},
        "directory": str(directory.resolve()),
    }
    replace_text(job, json.dumps(value))
    environment = {**os.environ, "OMP_NUM_THREADS": str(machine.threads)}
    with log_path.open("ab") as log:
        agent = subprocess.Popen(  # noqa: S603 - our own command line
            torchrun_command(job, machine), env=environment, stdout=log, stderr=log
        )
        try:
            _wait(agent, stop)
        finally:
            agent.kill()
    if stop.is_set():
        message = f"{cell.id}: stopped"
        raise InterruptedCellError(message)
    if agent.returncode:
        cause = _find_cause("\n".join(read_tail(log_path, log_size)), agent.returncode)
        message = f"{cause}; see {AGENT_LOG}"
        raise ExecutorError(message)


def torchrun_command(job: Path, machine: Machine) -> list[str]:
    """Return the command that starts one process a device.

    Raises:
        ExecutorError: If there are several nodes and no SLURM job to find them.
    """
    start = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={machine.devices}"]
    rank = ["-m", "kbench.executors.rank", str(job.resolve())]
    if machine.nodes == 1:
        return [*start, "--standalone", *rank]
    srun, number = shutil.which("srun"), os.environ.get("SLURM_JOB_ID", "")
    if srun is None or not number.isdigit():
        message = f"{machine.nodes} nodes need a SLURM job and srun: run with --executor slurm"
        raise ExecutorError(message)
    host = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    meeting = f"{host}:{PORTS[int(number) % len(PORTS)]}"
    tasks = [f"--nodes={machine.nodes}", f"--ntasks={machine.nodes}", "--ntasks-per-node=1"]
    nodes = [f"--nnodes={machine.nodes}", f"--rdzv-id={number}", "--rdzv-backend=c10d"]
    return [srun, *tasks, *start, *nodes, f"--rdzv-endpoint={meeting}", *rank]


def _find_cause(log: str, status: int) -> str:
    """Return by which signal the first process to fail was killed, or torchrun's status."""
    codes = EXIT_CODE.findall(log)
    if codes and int(codes[-1]) < 0:
        return f"a process was killed by {signal_name(-int(codes[-1]))}"
    return f"torchrun ended with status {status}"


def _wait(agent: subprocess.Popen[bytes], stop: threading.Event) -> None:
    """Wait until torchrun ends; ask it to end when `stop` is set."""
    while agent.poll() is None:
        if stop.wait(POLL_S):
            agent.terminate()
            agent.wait(GRACE_S)
            return
