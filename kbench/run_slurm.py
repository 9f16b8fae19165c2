"""The command `run` on a SLURM cluster: it submits and returns."""

import shutil
import time
from collections.abc import Sequence

import click

from kbench.executors.slurm import Groups, SlurmSettings, describe, fit_into_queue, hand_over
from kbench.executors.slurm_commands import Cluster, read_cluster
from kbench.executors.slurm_queue import mark_ended
from kbench.machine import data_root
from kbench.plan import Plan, PlannedCell
from kbench.run_here import check_batches, check_folder, with_data
from kbench.run_options import EXIT_FAILED, EXIT_INTERRUPTED, RunOptions
from kbench.run_resources import group_cells
from kbench.state import find_states

WAIT_POLL_S = 5.0
WAIT_LOOKS = 3
DEFAULT_MAX_ARRAY_SIZE = 1001


def run_on_slurm(plans: Sequence[Plan], chosen: Sequence[PlannedCell], options: RunOptions) -> int:
    """Submit cells and return the exit status; with `wait`, once all of them have ended.

    Raises:
        SuiteError: If the site file or the command line is wrong.
        ExecutorError: If SLURM refuses, cannot be asked, the results folder cannot be written, or a
            batch cannot be divided among the devices of its cell.
    """
    cells = [item.cell for item in chosen]
    settings = SlurmSettings(options.results, task_options(options))
    groups: Groups = group_cells(plans, cells, options)
    for resources, items in groups:
        check_batches(items, resources.devices)
    if options.dry_run:
        click.echo(describe(groups, settings, _cluster_of_dry_run()), nl=False)
        return 0
    check_folder(options.results)
    read_cluster()
    for remark in mark_ended(options.results):
        click.echo(remark, err=True)
    if data_root().is_dir():
        cells = with_data(cells, data_root())
        groups = group_cells(plans, cells, options)
    groups = fit_into_queue(groups) if cells else []
    _submit(groups, settings)
    left = len(chosen) - sum(len(items) for _, items in groups)
    if left:
        click.echo(f"{left} cells are not submitted; run again for them", err=True)
    if options.wait:
        return max(wait_for_end(plans, options), EXIT_INTERRUPTED if left else 0)
    return EXIT_INTERRUPTED if left else 0


def task_options(options: RunOptions) -> tuple[str, ...]:
    """Return the options of `kbench cell` that the options of `kbench run` ask for."""
    found = [f"--checkpoint-every={options.checkpoint_every:g}"]
    if options.threads is not None:
        found.append(f"--threads={options.threads}")
    if options.device != "auto":
        found.append(f"--device={options.device}")
    if options.rerun == "all":
        found.append("--anew")
    return tuple(found)


def wait_for_end(plans: Sequence[Plan], options: RunOptions) -> int:
    """Wait until no cell is queued or runs; return the exit status.

    A task that is being requeued may be out of sight for a moment, so one look is not enough.
    """
    cells = [item.cell for plan in plans for item in plan.cells if item.state.kind != "invalid"]
    kinds: set[str] = set()
    looks = 0
    while looks < WAIT_LOOKS:
        states = find_states(options.results, cells, with_copies=True)
        kinds = {state.kind for state in states}
        looks = 0 if kinds & {"queued", "running"} else looks + 1
        if not kinds - {"done", "stale", "failed"}:
            break
        time.sleep(WAIT_POLL_S)
    if kinds & {"failed", "unreadable"}:
        return EXIT_FAILED
    return EXIT_INTERRUPTED if kinds & {"todo", "interrupted", "lost"} else 0


def _submit(groups: Groups, settings: SlurmSettings) -> None:
    """Submit, and say what was submitted, also if SLURM refuses the rest."""
    if not groups:
        return
    for submission in hand_over(groups, settings):
        array = next(item for item in reversed(submission.arrays) if item.job)
        where = submission.folder / "logs"
        click.echo(f"submitted {array.cells} cells as job {array.job}; logs: {where}", err=True)
    click.echo("follow with: kbench status, and the same suites and options", err=True)


def _cluster_of_dry_run() -> Cluster:
    """Return the cluster; where there is none, one with SLURM's own defaults."""
    if shutil.which("scontrol"):
        return read_cluster()
    click.echo(f"no scontrol here: MaxArraySize taken as {DEFAULT_MAX_ARRAY_SIZE}", err=True)
    return Cluster("", DEFAULT_MAX_ARRAY_SIZE)
