"""Cells on this machine, each in a process of its own.

The processes are forks of a server that has torch loaded, so a start costs milliseconds, and one
that crashes, hangs or is killed costs its own cell only.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

from kbench.catalogue import find_entries
from kbench.cell import Cell
from kbench.executors.failure import count_oom_kills, explain_exit, read_tail
from kbench.executors.worker import EXIT_INTERRUPTED, LOG, PRELOAD, work
from kbench.machine import Machine
from kbench.progress import remove_progress
from kbench.record import TRAINING_VERSION, Record, read_record, record_path, write_record

POLL_S = 0.2
GRACE_S = 60.0


@dataclass(frozen=True)
class LocalSettings:
    """How the local executor runs cells.

    Attributes:
        machine: What every cell is given.
        jobs: Cells at a time.
        gpus: GPUs to share out, one a job; empty on a CPU.
        time_limits: Longest run of a cell in seconds, by suite; no key, no limit.
        fail_fast: Start no further cell once one has failed.
    """

    machine: Machine
    jobs: int = 1
    gpus: tuple[str, ...] = ()
    time_limits: Mapping[str, float] = field(default_factory=dict)
    fail_fast: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened; `tick` comes a few times a second and means nothing.

    Attributes:
        kind: `start`, `finish` (with a record), `interrupt` (checkpoint saved), or `tick`.
        cell: The cell; None for `tick`.
        record: The result, for `finish`.
    """

    kind: Literal["start", "finish", "interrupt", "tick"]
    cell: Cell | None = None
    record: Record | None = None


@dataclass
class Job:
    """A running cell."""

    cell: Cell
    directory: Path
    process: ForkServerProcess
    gpu: str | None
    started: float
    oom_kills: int
    asked_to_stop: float | None = None
    is_over_time: bool = False


class LocalExecutor:
    """Runs cells in processes of this machine.

    Args:
        results: Folder of all results.
        settings: How to run them.
        stop: Asks for checkpoints and an end.
    """

    def __init__(self, results: Path, settings: LocalSettings, stop: threading.Event) -> None:
        self.results, self.settings, self.stop = results, settings, stop
        self._server = multiprocessing.get_context("forkserver")
        self._server.set_forkserver_preload(PRELOAD)
        self._free: deque[str | None] = deque(settings.gpus or [None] * settings.jobs)
        self._running: list[Job] = []

    def run(self, cells: Sequence[Cell]) -> Iterator[Event]:
        """Run cells in their order and yield what happens."""
        waiting = deque(cells)
        has_failed = False
        while self._running or (waiting and not self._is_closing(has_failed=has_failed)):
            while waiting and self._free and not self._is_closing(has_failed=has_failed):
                job = self._start(waiting.popleft())
                yield Event("start", job.cell)
            if self.stop.is_set():
                self._ask_to_stop()
            sentinels = [job.process.sentinel for job in self._running]
            multiprocessing.connection.wait(sentinels, timeout=POLL_S)
            for job in [job for job in self._running if not job.process.is_alive()]:
                event = self._reap(job)
                has_failed |= event.record is not None and event.record.status != "ok"
                yield event
            self._kill_late()
            yield Event("tick")

    def _is_closing(self, *, has_failed: bool) -> bool:
        return self.stop.is_set() or (has_failed and self.settings.fail_fast)

    def _start(self, cell: Cell) -> Job:
        directory = record_path(self.results, cell).parent
        directory.mkdir(parents=True, exist_ok=True)
        gpu = self._free.popleft()
        process = self._server.Process(
            target=work, args=(cell, directory, self.settings.machine, gpu), name=cell.id
        )
        process.start()
        job = Job(cell, directory, process, gpu, time.time(), count_oom_kills())
        self._running.append(job)
        return job

    def _ask_to_stop(self) -> None:
        """Ask every worker once for a checkpoint and an end."""
        for job in self._running:
            if job.asked_to_stop is None and job.process.pid is not None:
                job.asked_to_stop = time.time()
                os.kill(job.process.pid, signal.SIGTERM)

    def _kill_late(self) -> None:
        """Kill the workers that are over their time or do not stop when asked."""
        now = time.time()
        for job in self._running:
            limit = self.settings.time_limits.get(job.cell.suite)
            if limit is not None and now - job.started > limit:
                job.is_over_time = True
                job.process.kill()
            elif job.asked_to_stop is not None and now - job.asked_to_stop > GRACE_S:
                job.process.kill()

    def _reap(self, job: Job) -> Event:
        """Return what became of a worker that has ended; write its record if it left none."""
        job.process.join()
        self._running.remove(job)
        self._free.append(job.gpu)
        exit_code = job.process.exitcode or 0
        remove_progress(job.directory)
        if exit_code == 0:
            return Event("finish", job.cell, read_record(job.directory / "record.json"))
        if exit_code == EXIT_INTERRUPTED or (self.stop.is_set() and exit_code < 0):
            return Event("interrupt", job.cell)
        record = self._failure(job, exit_code)
        write_record(job.directory, record)
        return Event("finish", job.cell, record)

    def _failure(self, job: Job, exit_code: int) -> Record:
        tail = read_tail(job.directory / LOG)
        status, reason = explain_exit(exit_code, tail, count_oom_kills() - job.oom_kills)
        if job.is_over_time:
            status, reason = (
                "timeout",
                f"over the time limit of {self.settings.time_limits[job.cell.suite]:g} s",
            )
        operator = find_entries("operator")[job.cell.operator.name]
        return Record(
            cell=job.cell,
            status=status,
            reason=reason,
            environment=self.settings.machine.environment,
            versions={"training": TRAINING_VERSION, "operator": operator.version},
            log_tail=tail,
            started=job.started,
            finished=time.time(),
        )
