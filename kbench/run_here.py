"""Cells on this machine: settings, data, signals, exit status."""

import contextlib
import importlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import click

from kbench.cell import Cell, read_manifest
from kbench.display import choose_display
from kbench.environment import describe_environment
from kbench.errors import DatasetError, ExecutorError, RecordError
from kbench.executors.local import LocalExecutor, LocalSettings
from kbench.machine import Machine, data_root, default_threads, find_gpus
from kbench.record import record_path
from kbench.run_options import EXIT_CTRL_C, EXIT_FAILED, EXIT_INTERRUPTED, RunOptions


def run_here(cells: Sequence[Cell], limits: Mapping[str, int | None], options: RunOptions) -> int:
    """Run cells whose data is there and return the exit status.

    Args:
        cells: What to run.
        limits: Longest run of a cell, by suite.
        options: How.

    Raises:
        ExecutorError: If the results folder cannot be written, or there is no such device.
    """
    check_folder(options.results)
    settings = make_settings(limits, options)
    ready = with_data(cells, settings.machine.data_root)
    status = execute(ready, settings, options.results)
    return EXIT_FAILED if status == 0 and len(ready) < len(cells) else status


def run_manifest(manifest: Path, lines: range, options: RunOptions, *, remaining: bool) -> int:
    """Run lines of a manifest, one after the other, and return the exit status.

    Args:
        manifest: The file.
        lines: Which, counted from 0.
        options: How.
        remaining: Leave out cells with a record that is newer than the manifest.

    Raises:
        RecordError: If a line is not there, or not a cell of this version.
        ExecutorError: If the results folder cannot be written, or there is no such device.
    """
    cells = read_manifest(manifest, lines)
    for module in sorted({module for cell in cells for module in cell.imports}):
        try:
            importlib.import_module(module)
        except ImportError as error:
            message = f"{manifest}: module {module!r} cannot be imported: {error}"
            raise RecordError(message) from error
    if remaining:
        cells = [cell for cell in cells if not _is_recorded(cell, options.results, manifest)]
    check_folder(options.results)
    settings = make_settings({cell.suite: None for cell in cells}, options)
    return execute(cells, settings, options.results) if cells else 0


def execute(cells: Sequence[Cell], settings: LocalSettings, results: Path) -> int:
    """Run cells, show what happens and return the exit status."""
    seen: set[str] = set()
    failed = elsewhere = 0
    with stop_on_signals() as stop:
        executor = LocalExecutor(results, settings, stop)
        with choose_display(results, len(cells)) as display:
            for event in executor.run(cells):
                display.show(event)
                seen.add(event.kind)
                elsewhere += event.kind == "elsewhere"
                failed += event.record is not None and event.record.status != "ok"
    if stop.is_set() or "interrupt" in seen:
        click.echo("interrupted; run the same command again to go on", err=True)
        return EXIT_CTRL_C if stop.number == signal.SIGINT else EXIT_INTERRUPTED
    if elsewhere:
        click.echo(f"{elsewhere} cells are run elsewhere; run again once they ended", err=True)
    if failed:
        return EXIT_FAILED
    return EXIT_INTERRUPTED if elsewhere else 0


def _is_recorded(cell: Cell, results: Path, manifest: Path) -> bool:
    """Return whether a cell has ended since a manifest was written."""
    path = record_path(results, cell)
    return path.exists() and path.stat().st_mtime > manifest.stat().st_mtime


def make_settings(limits: Mapping[str, int | None], options: RunOptions) -> LocalSettings:
    """Return the local executor's settings for this machine.

    Raises:
        ExecutorError: If a GPU is asked for and there is none, or more jobs than GPUs.
    """
    gpus = choose_gpus(options)
    jobs = options.jobs or max(1, len(gpus))
    machine = Machine(
        data_root=data_root(),
        device="cuda" if gpus else "cpu",
        threads=options.threads or default_threads(jobs),
        checkpoint_interval_s=options.checkpoint_every,
        environment=describe_environment(),
    )
    chosen = {suite: options.time_limit_s or limit for suite, limit in limits.items()}
    time_limits = {suite: limit for suite, limit in chosen.items() if limit is not None}
    return LocalSettings(machine, jobs, gpus[:jobs], time_limits, options.fail_fast)


def choose_gpus(options: RunOptions) -> tuple[str, ...]:
    """Return the GPUs to share out; none on a CPU.

    Raises:
        ExecutorError: If a GPU is asked for and there is none, or more jobs than GPUs.
    """
    gpus = () if options.device == "cpu" else find_gpus()
    if options.gpus is not None:
        gpus = tuple(filter(None, map(str.strip, options.gpus.split(","))))
    if options.device == "cuda" and not gpus:
        message = "--device cuda: no GPU is visible on this machine"
        raise ExecutorError(message)
    if gpus and options.jobs is not None and options.jobs > len(gpus):
        message = f"--jobs {options.jobs}: one job has one GPU, and {len(gpus)} can be used"
        raise ExecutorError(message)
    return gpus


def check_folder(results: Path) -> None:
    """Make the results folder.

    Raises:
        ExecutorError: If it cannot be written.
    """
    probe = results / f".probe-{os.getpid()}"
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        message = f"results folder {str(results)!r} cannot be written: {error.strerror}"
        raise ExecutorError(message) from error


def with_data(cells: Sequence[Cell], root: Path) -> list[Cell]:
    """Return the cells whose data is there and unchanged; say of the others what is missing."""
    from kbench.datasets import build_dataset

    refused: dict[str, str] = {}
    for cell in {cell.dataset.name: cell for cell in cells}.values():
        try:
            build_dataset(cell.dataset.name, root, **cell.dataset.options).verify()
        except (DatasetError, OSError) as error:
            refused[cell.dataset.name] = str(error)
            count = sum(other.dataset.name == cell.dataset.name for other in cells)
            click.echo(f"{count} cells not run: {error}", err=True)
    return [cell for cell in cells if cell.dataset.name not in refused]


class StopRequest(threading.Event):
    """Set by the first SIGINT, SIGTERM or SIGUSR1.

    Attributes:
        number: The signal's number, if it was one of the first two.
    """

    number: int | None = None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Give what the first signal to end sets; a second one ends this process and its cells.

    SIGUSR1 is what a SLURM script passes on, perhaps beside a signal of SLURM itself; it never
    counts as a second one.
    """
    stop = StopRequest()

    def ask(number: int, _: FrameType | None) -> None:
        if number != signal.SIGUSR1:
            if stop.number is not None:
                raise SystemExit(128 + number)
            stop.number = number
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    previous = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
