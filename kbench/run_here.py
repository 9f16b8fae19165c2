"""Cells on this machine: settings, data, signals, exit status."""

import contextlib
import importlib
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import click

from kbench.cell import Cell, read_manifest
from kbench.display import choose_display
from kbench.environment import describe_environment
from kbench.errors import DatasetError, ExecutorError, RecordError, UnsupportedError
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
    check_batches(cells, options.processes * options.nodes)
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
    check_batches(cells, options.processes * options.nodes)
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
    devices = options.processes
    jobs = options.jobs or max(1, len(gpus) // devices)
    given = options.threads and max(1, options.threads // devices)
    machine = Machine(
        data_root=data_root(),
        device="cuda" if gpus else "cpu",
        threads=given or default_threads(jobs * devices),
        checkpoint_interval_s=options.checkpoint_every,
        devices=devices,
        nodes=options.nodes,
        reuse=options.rerun != "all",
        environment=describe_environment(),
    )
    chosen = {suite: options.time_limit_s or limit for suite, limit in limits.items()}
    time_limits = {suite: limit for suite, limit in chosen.items() if limit is not None}
    lent = tuple(",".join(gpus[i * devices : (i + 1) * devices]) for i in range(jobs))
    return LocalSettings(machine, jobs, lent if gpus else (), time_limits, options.fail_fast)


def choose_gpus(options: RunOptions) -> tuple[str, ...]:
    """Return the GPUs to share out; none on a CPU.

    Raises:
        ExecutorError: If a GPU is asked for and there is none, or more jobs than GPUs.
    """
    gpus = () if options.device == "cpu" else find_gpus()
    if options.gpus is not None:
        gpus = _select_gpus(options.gpus, gpus)
    if options.device == "cuda" and not gpus:
        message = "--device cuda: no GPU is visible on this machine"
        raise ExecutorError(message)
    if gpus and (options.jobs or 1) * options.processes > len(gpus):
        asked = f"--jobs {options.jobs or 1} --devices {options.processes}"
        message = f"{asked}: a job has a GPU for each device, and {len(gpus)} can be used"
        raise ExecutorError(message)
    return gpus


def _select_gpus(given: str, visible: Sequence[str]) -> tuple[str, ...]:
    """Return the GPUs that are named, separated by commas; refuse what is not visible."""
    gpus = tuple(filter(None, map(str.strip, given.split(","))))
    unseen = [name for name in gpus if name not in visible]
    # A GPU that is visible by its index may also be named by its UUID.
    if not visible or any("-" not in name for name in unseen):
        message = f"--gpus {given}: visible here are {', '.join(visible) or 'none'}"
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
    """Return the cells whose data is there and fits; say of the others what is wrong."""
    from kbench.cell_data import check_data

    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        recipe = cell.recipe
        parts = cell.dataset.definition, recipe.normalisation, recipe.loader, recipe.storage
        groups[repr(parts)].append(cell)
    refused: set[str] = set()
    for same in groups.values():
        try:
            check_data(same[0], root)
        except (DatasetError, UnsupportedError, OSError) as error:
            refused |= {cell.id for cell in same}
            click.echo(f"{len(same)} cells not run: {error}", err=True)
    return [cell for cell in cells if cell.id not in refused]


def check_batches(cells: Sequence[Cell], size: int) -> None:
    """Refuse cells whose batches cannot be divided equally among their devices.

    Args:
        cells: What is to run.
        size: Devices of each, over all nodes.

    Raises:
        ExecutorError: Names the first such cell.
    """
    for cell in cells:
        batch_size = cell.recipe.batch_size
        if size > 1 and (batch_size % size or batch_size < 2 * size):
            message = (
                f"{cell.id}: batch_size (={batch_size}) must be a multiple of {size}, the devices "
                "of a cell, with at least two images for each"
            )
            raise ExecutorError(message)


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
