"""The command `run`: plan, check, execute."""

import contextlib
import importlib
import os
import signal
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from kbench.cell import Cell, read_manifest
from kbench.display import choose_display
from kbench.environment import describe_environment
from kbench.errors import DatasetError, ExecutorError, RecordError
from kbench.executors.local import LocalExecutor, LocalSettings
from kbench.formats import format_plan
from kbench.machine import Machine, data_root, default_threads, find_gpus
from kbench.plan import Plan, PlannedCell, plan_suite
from kbench.state import Kind

EXIT_FAILED = 1
EXIT_INTERRUPTED = 75
EXIT_CTRL_C = 130
WAITING: tuple[Kind, ...] = ("todo", "interrupted", "lost")
RERUNS: dict[str | None, tuple[Kind, ...]] = {
    None: WAITING,
    "failed": (*WAITING, "failed"),
    "stale": (*WAITING, "stale"),
    "all": (*WAITING, "failed", "stale", "done", "unreadable"),
}


@dataclass(frozen=True)
class RunOptions:
    """Options of `kbench run`; see its help.

    Attributes:
        results: Folder of all results.
        only: Filters of the form KEY=GLOB.
        executor: Where cells run.
        jobs: Cells at a time; None for one per GPU, or one.
        gpus: GPUs to use, separated by commas; None for all that are visible.
        device: `auto`, `cpu` or `cuda`.
        rerun: Which ended cells run again.
        threads: Threads of a cell; None for the cores divided among the jobs.
        fail_fast: Start no further cell once one has failed.
        time_limit_s: Longest run of a cell; None for what the suite says.
        checkpoint_every: Seconds between checkpoints.
        dry_run: Only say what would run.
    """

    results: Path
    only: tuple[str, ...] = ()
    executor: str = "local"
    jobs: int | None = None
    gpus: str | None = None
    device: str = "auto"
    rerun: str | None = None
    threads: int | None = None
    fail_fast: bool = False
    time_limit_s: int | None = None
    checkpoint_every: float = 30.0
    dry_run: bool = False


def run_suites(paths: Sequence[Path], scale: str, options: RunOptions) -> int:
    """Run what has no result yet and return the exit status.

    Raises:
        SuiteError: If a suite is wrong.
        ExecutorError: If the results folder cannot be written, or there is no such device.
    """
    plans = [plan_suite(path, scale, options.results, options.only) for path in paths]
    chosen, rest = divide(plans, RERUNS[options.rerun])
    if options.dry_run:
        click.echo(format_plan(chosen))
        return 0
    failed = tell_left(rest)
    if not chosen:
        click.echo(f"nothing to run: {len(rest)} cells, {failed} failed", err=True)
        return EXIT_FAILED if failed else 0
    limits = {plan.suite.file.suite: plan.suite.file.time_limit for plan in plans}
    status = _execute([item.cell for item in chosen], limits, options)
    return EXIT_FAILED if failed and not status else status


def divide(
    plans: Iterable[Plan], kinds: Container[Kind]
) -> tuple[list[PlannedCell], list[PlannedCell]]:
    """Return the planned cells whose state is among the kinds, and the others."""
    planned = [item for plan in plans for item in plan.cells]
    chosen = [item for item in planned if item.state.kind in kinds]
    return chosen, [item for item in planned if item.state.kind not in kinds]


def tell_left(planned: Iterable[PlannedCell]) -> int:
    """Say why cells are not run, where it is not that they are done; return how many failed."""
    failed = 0
    for item in planned:
        if item.state.kind not in ("done", "invalid"):
            click.echo(f"{item.state.kind:9} {item.cell.id}: {item.state.reason}", err=True)
        failed += item.state.kind in ("failed", "unreadable")
    return failed


def run_manifest_cell(manifest: Path, index: int, options: RunOptions) -> int:
    """Run one line of a manifest and return the exit status.

    Raises:
        RecordError: If the line is not there, or not a cell of this version.
    """
    cells = read_manifest(manifest)
    if index >= len(cells):
        message = f"{manifest}: no line {index}; the manifest has {len(cells)}, counted from 0"
        raise RecordError(message)
    for module in cells[index].imports:
        try:
            importlib.import_module(module)
        except ImportError as error:
            message = f"{manifest}: module {module!r} cannot be imported: {error}"
            raise RecordError(message) from error
    return _execute([cells[index]], {}, options)


def _execute(cells: Sequence[Cell], limits: Mapping[str, int | None], options: RunOptions) -> int:
    check_folder(options.results)
    settings = make_settings(limits, options)
    with stop_on_signals() as stop:
        executor = LocalExecutor(options.results, settings, stop)
        ready = with_data(cells, settings.machine.data_root)
        failed = len(cells) - len(ready)
        interrupted = False
        with choose_display(options.results, len(ready)) as display:
            for event in executor.run(ready):
                display.show(event)
                interrupted |= event.kind == "interrupt"
                failed += event.record is not None and event.record.status != "ok"
        if stop.is_set() or interrupted:
            click.echo("interrupted; run the same command again to go on", err=True)
            return EXIT_CTRL_C if stop.number == signal.SIGINT else EXIT_INTERRUPTED
    return EXIT_FAILED if failed else 0


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
    """Set by the first SIGINT or SIGTERM.

    Attributes:
        number: The signal's number; None before.
    """

    number: int | None = None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Give what the first SIGINT or SIGTERM sets; a second one ends this process and its cells."""
    stop = StopRequest()

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise SystemExit(128 + number)
        stop.number = number
        stop.set()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
