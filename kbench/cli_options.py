"""Arguments and options that several commands share, and the long list of those for SLURM."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


class Duration(click.ParamType[int]):
    """A time such as 2h, 90m or 02:00:00, in seconds."""

    name = "TIME"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Return seconds."""
        from kbench.file_model import as_seconds

        try:
            seconds = as_seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(seconds, int):
            self.fail(f"{value!r} is no duration", param, ctx)
        return seconds


class KeyValue(click.ParamType[tuple[str, bool | int | str]]):
    """An option of sbatch, `KEY` or `KEY=VALUE`."""

    name = "KEY[=VALUE]"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002 - click's signature
    ) -> tuple[str, bool | int | str]:
        """Return key and value; a key alone is true."""
        key, separator, text = str(value).partition("=")
        return key.lstrip("-"), text if separator else True


SUITES = click.argument(
    "suites", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)
SCALE = click.option("--scale", default="full", show_default=True, help="full, small or smoke")
RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of all results.",
)
ONLY = click.option(
    "--only",
    multiple=True,
    metavar="KEY=GLOB",
    help="Only cells that match, such as architecture='resnet*' or seed=0.",
)
DEVICES = click.option(
    "--devices",
    "processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="GPUs, or processes on a CPU, that train a cell together.",
)
DEVICE = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
TIME_LIMIT = click.option(
    "--time-limit",
    "time_limit_s",
    type=Duration(),
    help="Longest run of a cell, over the suite's: 2h, 90m, 02:00:00.",
)
CHECKPOINT_EVERY = click.option(
    "--checkpoint-every", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds."
)
COUNT = click.IntRange(1)
RESOURCES = {
    "partition": click.option("--partition", help="SLURM: partition."),
    "account": click.option("--account", help="SLURM: account."),
    "qos": click.option("--qos", help="SLURM: quality of service."),
    "constraint": click.option("--constraint", help="SLURM: features that a node must have."),
    "time": click.option("--time", type=Duration(), help="SLURM: time of a task; then requeued."),
    "grace": click.option("--grace", type=Duration(), help="SLURM: how long before that to save."),
    "devices": click.option("--gpus-per-cell", "devices", type=click.IntRange(0), help="SLURM."),
    "nodes": click.option("--nodes", type=COUNT, help="SLURM: nodes of a cell."),
    "cpus": click.option("--cpus", type=COUNT, help="SLURM: cores of a cell on each node."),
    "memory": click.option("--memory", help="SLURM: memory of a cell on each node: 16G."),
    "max_parallel": click.option("--max-parallel", type=COUNT, help="SLURM: tasks at a time."),
    "max_submit": click.option("--max-submit", type=COUNT, help="SLURM: tasks in the queue."),
    "cells_per_task": click.option("--cells-per-task", type=COUNT, help="SLURM: one by one."),
    "requeues": click.option(
        "--requeues", type=click.IntRange(0), help="SLURM: how often the time may run out."
    ),
    "sbatch": click.option(
        "--sbatch", multiple=True, type=KeyValue(), help="SLURM: any option of sbatch; repeatable."
    ),
    "setup": click.option(
        "--setup", multiple=True, help="SLURM: shell line before the command; repeatable."
    ),
    "container": click.option("--container", help="SLURM: what the command is put behind."),
}


def resource_option(key: str) -> str:
    """Return the option that stands for a key of `resources`."""
    return "--gpus-per-cell" if key == "devices" else f"--{key.replace('_', '-')}"


def resource_options(command: C) -> C:
    """Add the options that are keys of a suite's `resources`."""
    for option in reversed(RESOURCES.values()):
        command = option(command)
    return command


def split_resources(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the resources that are given among options, and all other options."""
    given = {key: options[key] for key in RESOURCES if options[key] not in (None, ())}
    if "sbatch" in given:
        given["sbatch"] = dict(given["sbatch"])
    return given, {key: value for key, value in options.items() if key not in RESOURCES}
