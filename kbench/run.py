"""The command `run`: plan, check, execute."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import click

from kbench.formats import count_states, format_plan, format_state
from kbench.plan import Plan, PlannedCell, plan_suites
from kbench.report.suites import check_tables
from kbench.run_options import EXIT_FAILED, EXIT_INTERRUPTED, RunOptions
from kbench.state import Kind

WAITING: tuple[Kind, ...] = ("todo", "interrupted", "lost")
BUSY: tuple[Kind, ...] = ("queued", "running")
RERUNS: dict[str | None, tuple[Kind, ...]] = {
    None: WAITING,
    "failed": (*WAITING, "failed"),
    "stale": (*WAITING, "stale"),
    "all": (*WAITING, "failed", "stale", "done", "unreadable"),
}


def run_suites(paths: Sequence[Path], scale: str, options: RunOptions) -> int:
    """Run what has no result yet and return the exit status.

    Raises:
        SuiteError: If a suite is wrong, its tables too.
        ExecutorError: If the results folder cannot be written, or cells cannot be started.
    """
    plans = plan_suites(paths, scale, options.results, options.only)
    tell_reasons(plans)
    chosen, rest = divide(plans, RERUNS[options.rerun])
    if options.dry_run and options.executor == "local":
        click.echo(format_plan(chosen))
        return 0
    failed = tell_left(rest)
    busy = sum(item.state.kind in BUSY for item in rest)
    status = 0
    if chosen or options.wait:
        for plan in plans:
            check_tables(plan.suite, dict.fromkeys(("full", scale)))
        status = _execute(plans, chosen, options)
    else:
        click.echo(f"nothing to run: {count_states(rest)}", err=True)
    if status == 0 and failed:
        status = EXIT_FAILED
    if status == 0 and busy and options.executor == "local":
        status = tell_elsewhere(busy)
    return status


def _execute(plans: Sequence[Plan], chosen: Sequence[PlannedCell], options: RunOptions) -> int:
    """Run cells here or on a cluster and return the exit status."""
    if options.executor == "slurm":
        from kbench.run_slurm import run_on_slurm

        return run_on_slurm(plans, chosen, options)
    from kbench.run_here import run_here

    limits = {plan.suite.file.suite: plan.suite.file.time_limit for plan in plans}
    return run_here([item.cell for item in chosen], limits, options)


def divide(
    plans: Iterable[Plan], kinds: Container[Kind]
) -> tuple[list[PlannedCell], list[PlannedCell]]:
    """Return the planned cells whose state is among the kinds, and the others."""
    planned = [item for plan in plans for item in plan.cells]
    chosen = [item for item in planned if item.state.kind in kinds]
    return chosen, [item for item in planned if item.state.kind not in kinds]


def tell_reasons(plans: Iterable[Plan]) -> None:
    """Say of suites without cells why they have none."""
    for plan in plans:
        if plan.reason:
            click.echo(plan.reason, err=True)


def tell_elsewhere(count: int) -> int:
    """Say that others have cells that are left; return the exit status."""
    click.echo(f"{count} cells are queued or run elsewhere; run again once they ended", err=True)
    return EXIT_INTERRUPTED


def tell_left(planned: Iterable[PlannedCell]) -> int:
    """Say why cells are not run, where it is not that they are done; return how many failed."""
    failed = 0
    queued: Counter[str] = Counter()
    for item in planned:
        if item.state.kind == "queued":
            queued[item.state.reason] += 1
        elif item.state.kind not in ("done", "invalid"):
            detail = format_state(item.state)
            click.echo(f"{item.state.kind:9} {item.cell.id}{detail and f': {detail}'}", err=True)
        failed += item.state.kind in ("failed", "unreadable")
    for reason, count in queued.items():
        click.echo(f"queued    {count} cells: {reason}", err=True)
    return failed
