"""The commands `run`, `status` and `cell`."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from kbench.cli_options import (
    CHECKPOINT_EVERY,
    DEVICE,
    DEVICES,
    ONLY,
    RESULTS,
    SCALE,
    SUITES,
    TIME_LIMIT,
    resource_option,
    resource_options,
    split_resources,
)

WATCH_S = 2.0
LOCAL_ONLY = {"jobs": "--jobs", "gpus": "--gpus", "fail_fast": "--fail-fast"}


@click.command()
@SUITES
@SCALE
@ONLY
@RESULTS
@click.option(
    "--executor", type=click.Choice(["local", "slurm"]), default="local", show_default=True
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Cells at a time  [default: one per GPU, or 1]"
)
@DEVICES
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of a cell  [default: cores / jobs]"
)
@click.option("--gpus", help="GPUs to use, such as 0,2  [default: all that are visible]")
@DEVICE
@click.option("--rerun", type=click.Choice(["failed", "stale", "all"]), help="Run these again too.")
@click.option("--fail-fast", is_flag=True, help="Start no further cell once one has failed.")
@TIME_LIMIT
@CHECKPOINT_EVERY
@click.option("--dry-run", is_flag=True, help="Only say what would run, or print the scripts.")
@click.option("--wait", is_flag=True, help="SLURM: return once everything has ended.")
@resource_options
def run(suites: tuple[Path, ...], scale: str, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Train every cell that has no result yet.

    With --executor slurm, cells are handed over as job arrays and the command returns; what has
    been handed over is not handed over again. Options marked SLURM go before the suite's key
    `resources`, and that before the site file (kbench-site.yaml, or what KBENCH_SITE names).

    Exit status: 0 all good, or handed over; 1 some cells failed; 2 a wrong suite or command line,
    or refused by SLURM; 75 stopped by SIGTERM, or cells are left because they run elsewhere or
    SLURM's queue is full; 130 by Ctrl-C: run again to go on.
    """
    from kbench.run import run_suites
    from kbench.run_options import RunOptions

    resources, rest = split_resources(options)
    if rest["executor"] == "local" and (resources or rest["wait"]):
        names = ", ".join(map(resource_option, resources)) or "--wait"
        message = f"{names}: for --executor slurm only"
        raise click.UsageError(message)
    wrong = [name for key, name in LOCAL_ONLY.items() if rest[key]]
    wrong += ["--devices (SLURM: --gpus-per-cell)"] * (rest["processes"] > 1)
    if rest["executor"] == "slurm" and wrong:
        message = f"{', '.join(wrong)}: for --executor local only"
        raise click.UsageError(message)
    sys.exit(run_suites(suites, scale, RunOptions(**rest, resources=resources)))


@click.command()
@SUITES
@SCALE
@RESULTS
@click.option("--watch", is_flag=True, help="Repeat every two seconds until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(
    suites: tuple[Path, ...], scale: str, results: Path, *, watch: bool, as_json: bool
) -> None:
    """Show the progress of suites from their files alone, wherever they run.

    What was handed to SLURM is looked up in its queue; on a machine that has no queue it counts as
    queued until it shows a sign of life.
    """
    from kbench.status import format_status, read_status

    while True:
        found = [read_status(path, scale, results) for path in suites]
        if as_json:
            click.echo(json.dumps([item.to_json() for item in found], indent=1))
        else:
            click.echo("\n\n".join(format_status(item) for item in found))
        if not watch:
            return
        time.sleep(WATCH_S)
        click.clear()


@click.command(name="cell")
@click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("index", type=click.IntRange(0))
@click.option("--count", type=click.IntRange(1), default=1, help="Lines, run one by one.")
@click.option(
    "--remaining",
    is_flag=True,
    help="Not those with a record newer than the manifest; take over results of equal cells.",
)
@click.option("--anew", is_flag=True, help="With --remaining: take over no results.")
@RESULTS
@DEVICE
@DEVICES
@click.option("--nodes", type=click.IntRange(1), default=1, help="Nodes of a SLURM job.")
@click.option("--threads", type=click.IntRange(1), help="Threads  [default: all cores]")
@TIME_LIMIT
@CHECKPOINT_EVERY
def run_one(
    manifest: Path,
    index: int,
    count: int,
    *,
    remaining: bool,
    anew: bool,
    **options: Any,  # noqa: ANN401 - as parsed
) -> None:
    """Run the cell on line INDEX, from 0, of a JSONL manifest, whatever became of it before.

    Exit status as of `kbench run`; SIGUSR1 and SIGTERM save the cell and end with 75.
    """
    from kbench.run_here import run_manifest
    from kbench.run_options import RunOptions

    lines = range(index, index + count)
    rerun = None if remaining and not anew else "all"
    chosen = RunOptions(**options, jobs=1, rerun=rerun)
    sys.exit(run_manifest(manifest, lines, chosen, remaining=remaining))
