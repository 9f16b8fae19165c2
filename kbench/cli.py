"""Commands: parse, call one function, print.

Everything heavy is imported inside the command that needs it, so that `--help` is immediate.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import click

from kbench import __version__
from kbench.errors import KBenchError

WATCH_S = 2.0
KINDS = ("operators", "architectures", "datasets", "evaluations", "recipes", "metrics", "suites")


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
        from kbench.suite_file import as_seconds

        try:
            seconds = as_seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(seconds, int):
            self.fail(f"{value!r} is no duration", param, ctx)
        return seconds


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
    help="Only cells that match, such as operator='lc*', seed=0 or operator.expansion=8.",
)

BENCH_OUTPUT = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Also write a JSON file."
)


class UserError(click.ClickException):
    """What a user can fix: one line per finding, exit status 2."""

    exit_code = click.UsageError.exit_code


class Group(click.Group):
    """Commands; `KBenchError` becomes `UserError` here and nowhere else."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; turn what a user can fix into click's own exception."""
        try:
            return super().invoke(ctx)
        except KBenchError as error:
            raise UserError(str(error)) from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Reproduce the result tables of convolution-operator papers.

    A suite is a YAML file, usually one table of a paper; a cell is one point of its grid x seed.
    """


@main.command()
@SUITES
@SCALE
@ONLY
@RESULTS
@click.option("--executor", type=click.Choice(["local"]), default="local", show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1), help="Cells at a time  [default: one per GPU, or 1]"
)
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of a cell  [default: cores / jobs]"
)
@click.option("--gpus", help="GPUs to use, such as 0,2  [default: all that are visible]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--rerun", type=click.Choice(["failed", "stale", "all"]), help="Run these again too.")
@click.option("--fail-fast", is_flag=True, help="Start no further cell once one has failed.")
@click.option(
    "--time-limit",
    "time_limit_s",
    type=Duration(),
    help="Longest run of a cell, over the suite's: 2h, 90m, 02:00:00.",
)
@click.option(
    "--checkpoint-every", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds."
)
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
def run(suites: tuple[Path, ...], scale: str, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Train every cell that has no result yet.

    Exit status: 0 all good; 1 some cells failed; 2 a wrong suite or command line; 75 stopped by
    SIGTERM, 130 by Ctrl-C: run again to go on.
    """
    from kbench.run import RunOptions, run_suites

    sys.exit(run_suites(suites, scale, RunOptions(**options)))


@main.command()
@SUITES
@SCALE
@ONLY
@RESULTS
@click.option("--measure", is_flag=True, help="Time a few steps where no estimate is known.")
@click.option("--device", default="cpu", show_default=True, help="Where --measure trains.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    suites: tuple[Path, ...],
    scale: str,
    only: tuple[str, ...],
    results: Path,
    **options: Any,  # noqa: ANN401 - as parsed
) -> None:
    """Show every cell with its state, cost and expected time.

    The time is that of finished cells that are alike, or of finished cells in proportion to their
    work; with --measure, it is measured where there are none.
    """
    from kbench.formats import format_plan
    from kbench.plan import measure_times, plan_suite

    planned = [item for path in suites for item in plan_suite(path, scale, results, only).cells]
    if options["measure"]:
        planned = measure_times(planned, options["device"])
    as_json = options["as_json"]
    if as_json:
        click.echo(json.dumps([item.to_json() for item in planned], indent=1))
    else:
        click.echo(format_plan(planned))


@main.command()
@SUITES
@SCALE
@RESULTS
@click.option("--watch", is_flag=True, help="Repeat every two seconds until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(
    suites: tuple[Path, ...], scale: str, results: Path, *, watch: bool, as_json: bool
) -> None:
    """Show the progress of suites from their files alone, wherever they run."""
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


@main.command()
@click.argument("suites", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@SCALE
@RESULTS
@click.option("--markdown", "formats", flag_value="markdown", multiple=True, help="[default]")
@click.option("--latex", "formats", flag_value="latex", multiple=True, help="booktabs tables")
@click.option("--csv", "formats", flag_value="csv", multiple=True, help="a line a number")
@click.option("--json", "formats", flag_value="json", multiple=True, help="everything")
@click.option("--standalone", is_flag=True, help="LaTeX as a document that compiles.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Write files here."
)
@click.option("--check", is_flag=True, help="Exit with 3 if a verdict is off.")
def report(suites: tuple[Path, ...], scale: str, results: Path, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Print the tables of suites, published number beside measured number."""
    from kbench.report.command import ReportOptions, report_suites

    sys.exit(report_suites(suites, scale, results, ReportOptions(**options)))


@main.command()
@click.argument("suites", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--operator", metavar="NAME|MODULE:CLASS", help="Try an operator instead of suites.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the operator, as in a suite.",
)
@click.option(
    "--dims",
    type=click.Choice(["1", "2", "both"]),
    default="both",
    show_default=True,
    help="Spatial axes of the operator.",
)
@click.option("--fast", is_flag=True, help="Leave out torch.compile of the operator.")
@click.option("--verbose", is_flag=True, help="Also print every layer, or every case.")
def check(suites: tuple[Path, ...], operator: str | None, *, verbose: bool, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Load suites, expand all scales and build every distinct network without memory.

    Parameters are compared with the published ones where a table of the suite has them; exit with 1
    if they differ by more than rounding or the table's tolerance.

    With --operator, try what every operator has to hold, and exit with 1 if anything fails: a name
    of kbench's, or a class of your own, found from the current folder.
    """
    if bool(suites) == (operator is not None) or (operator is None and options["options"]):
        message = "give suites, or --operator and its options"
        raise click.UsageError(message)
    if operator is None:
        from kbench.check import check_suites

        sys.exit(check_suites(suites, verbose=verbose))
    from kbench.conformance import CheckOptions, check_operator

    sys.exit(check_operator(operator, CheckOptions(**options, verbose=verbose)))


@main.command(name="list")
@click.argument("kind", type=click.Choice(KINDS))
def list_names(kind: str) -> None:
    """List names with one-line summaries and options."""
    from kbench.listing import format_listing

    click.echo(format_listing(kind))


@main.command()
@click.argument("cell")
@RESULTS
def show(cell: str, results: Path) -> None:
    """Show one cell: configuration, curve, result, environment, log, how to reproduce it.

    CELL is an id or the beginning of one.
    """
    from kbench.show import describe_cell

    click.echo(describe_cell(results, cell))


@main.command()
def schema() -> None:
    """Print the JSON Schema of suite files."""
    from kbench.suite_file import SuiteFile

    click.echo(json.dumps(SuiteFile.model_json_schema(), indent=1))


@main.command()
def doctor() -> None:
    """Say what works on this machine: torch, GPU, data, disk, versions."""
    from kbench.doctor import format_diagnosis

    click.echo(format_diagnosis())


@main.command(name="cell")
@click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("index", type=click.IntRange(0))
@RESULTS
def run_one(manifest: Path, index: int, results: Path) -> None:
    """Run the cell on line INDEX, from 0, of a JSONL manifest, whatever became of it before."""
    from kbench.run import RunOptions, run_manifest_cell

    sys.exit(run_manifest_cell(manifest, index, RunOptions(results)))


@main.group()
def data() -> None:
    """Bring data to where it belongs and verify it."""


@data.command()
@click.argument("name")
@click.option("--download", is_flag=True, help="Fetch what is missing from the network.")
def prepare(name: str, *, download: bool) -> None:
    """Unpack what is there, download the rest if allowed, verify everything."""
    from kbench.datasets import build_dataset
    from kbench.datasets.prepare import prepare_dataset

    prepare_dataset(build_dataset(name), download=download, progress=sys.stderr.isatty())
    click.echo(f"{name}: complete and verified")


@data.command()
@click.argument("name")
def verify(name: str) -> None:
    """Check every file of a dataset against its checksum."""
    from kbench.datasets import build_dataset

    build_dataset(name).verify()
    click.echo(f"{name}: complete and verified")


@main.group()
def bench() -> None:
    """Measure speed against a peer in the same run."""


@bench.command()
@click.option("--device", default="cpu", show_default=True, help="Where the batches have to end.")
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True)
@BENCH_OUTPUT
def loaders(device: str, batch_size: int, output: Path | None) -> None:
    """Images per second of the loaders and of torch's DataLoader, crop and flip included."""
    from kbench.bench.loaders import bench_loaders
    from kbench.bench.report import report_rows

    click.echo(report_rows(bench_loaders(device=device, batch_size=batch_size), output))


@bench.command()
@BENCH_OUTPUT
def overhead(output: Path | None) -> None:
    """Seconds of start-up, planning and processes, besides training."""
    from kbench.bench.overhead import bench_overhead
    from kbench.bench.report import report_rows

    click.echo(report_rows(bench_overhead(), output))


@bench.command()
@click.option("--operator", "names", multiple=True, metavar="NAME", help="[default: all]")
@click.option(
    "--shapes",
    type=click.Choice(["cifar", "imagenet", "1d", "all"]),
    default="all",
    show_default=True,
    help="Stages of CIFAR or ImageNet networks, or lengths.",
)
@click.option("--networks", is_flag=True, help="Whole ResNet-20 with lc instead of single layers.")
@click.option("--targets", is_flag=True, help="The targets instead; batch sizes are theirs.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--channels-last", is_flag=True, help="Channels as the innermost axis.")
@click.option("--compile", "compiled", is_flag=True, help="Through torch.compile.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@click.option("--repetitions", type=click.IntRange(1), default=9, show_default=True)
@click.option("--clock", type=click.Choice(["wall", "cpu"]), default="wall", show_default=True)
@BENCH_OUTPUT
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="And Markdown.")
def operators(output: Path | None, markdown: Path | None, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Time, memory and work of the operators against plain convolutions and literal forms.

    A ratio is the operator's number over that of the form in the row.
    """
    from kbench.bench.command import OperatorsOptions, run_operators_bench
    from kbench.bench.forms import SHARED
    from kbench.bench.report import report_rows

    rows = run_operators_bench(OperatorsOptions(**options), partial(click.echo, err=True))
    click.echo(report_rows(rows, output, markdown, SHARED))
