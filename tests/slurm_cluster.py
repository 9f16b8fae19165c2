"""Start or stop a SLURM cluster of one node on the loopback interface, as root.

    python tests/slurm_cluster.py start FOLDER [KEY=VALUE...]    prints the SLURM_CONF to export
    python tests/slurm_cluster.py stop FOLDER
    python tests/slurm_cluster.py start-node|kill-node FOLDER

Needs Debian's packages slurm-wlm and munge. Everything lies in FOLDER, ports are free ones, so
several clusters can live beside each other. Nothing is accounted; a requeued job waits for five
seconds (cred_expire) instead of two minutes.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 60.0
USABLE = ("idle", "mixed", "allocated")
CONFIGURATION = """
ClusterName=kbench-test
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge=60
MpiDefault=none
EnforcePartLimits=ALL
SlurmdTimeout=15
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
MaxArraySize={max_array_size}
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=60 State=UP
"""


def start(folder: Path, max_array_size: str = "8") -> None:
    """Start munged, slurmctld and slurmd; wait until the node is idle."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir()
    # munge insists on a path that nobody else could have changed.
    folder.chmod(0o755)
    (folder / "munge" / "key").write_bytes(secrets.token_bytes(128))
    (folder / "munge" / "key").chmod(0o600)
    for path in (folder / "munge", folder / "munge" / "key"):
        shutil.chown(path, "munge", "munge")
    files = {"key-file": "key", "log-file": "log", "seed-file": "seed", "pid-file": "pid"}
    options = [f"--{key}={folder}/munge/{name}" for key, name in files.items()]
    socket_option = f"--socket={folder}/munge/socket"
    command = ["runuser", "-u", "munge", "--", "munged", "--force", socket_option, *options]
    subprocess.run(command, check=True)
    text = CONFIGURATION.format(folder=folder, ports=free_ports(), max_array_size=max_array_size)
    (folder / "slurm.conf").write_text(text)
    run(folder, "slurmctld")
    start_node(folder)


def start_node(folder: Path) -> None:
    """Start slurmd and wait until the node can be used."""
    run(folder, "slurmd", "-N", "localhost")
    end = time.monotonic() + PATIENCE_S
    while (state := run(folder, "sinfo", "--noheader", "--format=%T")) not in USABLE:
        if time.monotonic() > end:
            sys.exit(f"the node is {state!r}")
        time.sleep(0.2)


def kill_node(folder: Path) -> None:
    """Kill slurmd, its step daemons and all that they have started, as a power failure would."""
    for pid in node_processes(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop(folder: Path) -> None:
    """End all processes of the cluster."""
    pids = node_processes(folder)
    for name in ("slurmctld.pid", "munge/pid"):
        with contextlib.suppress(OSError, ValueError):
            pids.append(int((folder / name).read_text()))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def node_processes(folder: Path) -> list[int]:
    """Return the processes of the node: slurmd's and every one with its SLURM_CONF."""
    mark = f"SLURM_CONF={folder}/slurm.conf".encode()
    names = (b"slurmctld", b"slurmscriptd", b"munged")
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            has_mark = mark in (path / "environ").read_bytes().split(b"\0")
            is_node = (path / "comm").read_bytes().strip() == b"slurmd" or (
                b"SLURM_JOB_ID=" in (path / "environ").read_bytes()
                or b"slurmstepd" in (path / "cmdline").read_bytes()
            )
            if has_mark and is_node and (path / "comm").read_bytes().strip() not in names:
                found.append(int(path.name))
    return found


def run(folder: Path, *command: str) -> str:
    """Run a program of SLURM that speaks to this cluster; return what it prints."""
    environment = {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return done.stdout.strip()


def free_ports() -> list[int]:
    """Return two ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


if __name__ == "__main__":
    action, where, *settings = sys.argv[1:]
    actions = {"start": start, "stop": stop, "start-node": start_node, "kill-node": kill_node}
    actions[action](Path(where).absolute(), **dict(item.split("=") for item in settings))
    sys.stdout.write(f"{Path(where).absolute()}/slurm.conf\n")
