"""Cells on this machine, each in a process of its own.

The processes are forks of a server that has torch loaded, so a start costs milliseconds, and one
that crashes, hangs or is killed costs its own cell only.
"""

import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

from kbench.catalogue import find_entries
from kbench.cell import Cell
from kbench.errors import RecordError
from kbench.executors.failure import count_oom_kills, explain_exit, read_tail
from kbench.executors.worker import (
    EXIT_ELSEWHERE,
    EXIT_INTERRUPTED,
    GRACE_S,
    LOG,
    PRELOAD,
    RECORD,
    clear_up,
    record_stamp,
    work,
)
from kbench.files import write_bytes
from kbench.machine import Machine
from kbench.record import TRAINING_VERSION, Record, Status, read_record, record_path, write_record

POLL_S = 0.2
PREVIOUS_RECORD = "record.previous.json"


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
        kind: `start`, `finish` (with a record), `interrupt` (checkpoint saved), `elsewhere`
            (another process is running it), or `tick`.
        cell: The cell; None for `tick`.
        record: The result, for `finish`.
    """

    kind: Literal["start", "finish", "interrupt", "elsewhere", "tick"]
    cell: Cell | None = None
    record: Record | None = None


@dataclass
class Job:
    """A running cell.

    Attributes:
        cell: The cell.
        directory: Folder of its files.
        process: What runs it.
        gpu: The GPU lent to it.
        started: When it was started, in seconds since the epoch.
        oom_kills: Processes that the kernel had killed for memory by then.
        log_size: Bytes that its log had by then.
        stamp: Of the record that it had by then.
        asked_to_stop: When it was asked for a checkpoint and an end.
        is_over_time: Whether it was killed for its time limit.
    """

    cell: Cell
    directory: Path
    process: ForkServerProcess
    gpu: str | None
    started: float
    oom_kills: int
    log_size: int
    stamp: tuple[int, int] | None
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
        multiprocessing.forkserver.ensure_running()
        self._free: deque[str | None] = deque(settings.gpus or [None] * settings.jobs)
        self._running: list[Job] = []
        self._has_failed = False

    def run(self, cells: Sequence[Cell]) -> Iterator[Event]:
        """Run cells in their order and yield what happens.

        Whoever stops iterating kills the cells that still run.
        """
        waiting, self._has_failed = deque(cells), False
        try:
            while self._running or (waiting and not self._is_closing()):
                for event in self._turn(waiting):
                    self._has_failed |= event.record is not None and event.record.status != "ok"
                    yield event
        finally:
            for job in self._running:
                job.process.kill()

    def _turn(self, waiting: deque[Cell]) -> Iterator[Event]:
        """Start what can be started and wait a moment for what ends."""
        while waiting and self._free and not self._is_closing():
            yield self._start(waiting.popleft())
        if self.stop.is_set():
            self._ask_to_stop()
        sentinels = [job.process.sentinel for job in self._running]
        if sentinels:
            multiprocessing.connection.wait(sentinels, timeout=POLL_S)
        for job in [job for job in self._running if not job.process.is_alive()]:
            yield self._reap(job)
        self._kill_late()
        yield Event("tick")

    def _is_closing(self) -> bool:
        return self.stop.is_set() or (self._has_failed and self.settings.fail_fast)

    def _start(self, cell: Cell) -> Event:
        """Start a worker; a cell whose process or folder cannot be made has failed."""
        directory = record_path(self.results, cell).parent
        gpu = self._free.popleft()
        process = self._server.Process(
            target=work, args=(cell, directory, self.settings.machine, gpu), name=cell.id
        )
        log = directory / LOG
        started, oom_kills = time.time(), count_oom_kills()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            log_size = log.stat().st_size if log.exists() else 0
            stamp = record_stamp(directory)
            process.start()
        except (OSError, EOFError) as error:  # EOFError: the fork server has ended
            self._free.append(gpu)
            reason = f"cannot be started: {str(error) or 'the fork server has ended'}"
            return Event("finish", cell, self._failure(cell, started, "failed", reason))
        self._running.append(
            Job(cell, directory, process, gpu, started, oom_kills, log_size, stamp)
        )
        return Event("start", cell)

    def _ask_to_stop(self) -> None:
        """Ask every worker for a checkpoint and an end, again and again: a new one is deaf."""
        for job in self._running:
            job.asked_to_stop = job.asked_to_stop or time.time()
            job.process.terminate()

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
        # The record counts, whatever happened to the process after it was written.
        if record_stamp(job.directory) not in (None, job.stamp):
            return Event("finish", job.cell, self._read(job))
        clear_up(job.directory, job.process.pid or 0)
        if exit_code == EXIT_ELSEWHERE:
            return Event("elsewhere", job.cell)
        if exit_code == EXIT_INTERRUPTED or job.asked_to_stop is not None:
            return Event("interrupt", job.cell)
        tail = read_tail(job.directory / LOG, job.log_size)
        status, reason = explain_exit(exit_code, tail, count_oom_kills() - job.oom_kills)
        if job.is_over_time:
            limit = self.settings.time_limits[job.cell.suite]
            status, reason = "timeout", f"over the time limit of {limit:g} s"
        record = self._failure(job.cell, job.started, status, reason, tail)
        try:
            _keep_result(job.directory)
            write_record(job.directory, record)
        except RecordError as error:
            record = replace(record, reason=f"{reason}; {error}")
        return Event("finish", job.cell, record)

    def _read(self, job: Job) -> Record:
        """Return the record that a worker has written."""
        try:
            return read_record(job.directory / RECORD)
        except RecordError as error:
            return self._failure(job.cell, job.started, "failed", str(error))

    def _failure(
        self, cell: Cell, started: float, status: Status, reason: str, tail: tuple[str, ...] = ()
    ) -> Record:
        operator = find_entries("operator").get(cell.operator.name)
        versions = {"training": TRAINING_VERSION}
        return Record(
            cell=cell,
            status=status,
            reason=reason,
            environment=self.settings.machine.environment,
            versions=versions | ({"operator": operator.version} if operator else {}),
            log_tail=tail,
            started=started,
            finished=time.time(),
        )


def _keep_result(directory: Path) -> None:
    """Keep a result that a failed attempt to make it anew is about to replace.

    Raises:
        RecordError: If it cannot be kept; then it must not be replaced.
    """
    path, kept = directory / RECORD, directory / PREVIOUS_RECORD
    try:
        has_result = read_record(path).status == "ok"
    except RecordError:
        return
    try:
        if has_result:
            write_bytes(kept, path.read_bytes())
    except OSError as error:
        message = f"{kept}: cannot be written: {error.strerror}"
        raise RecordError(message) from error
