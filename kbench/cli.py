"""Commands: parse, call one function, print.

Everything heavy is imported inside the command that needs it, so that `--help` is immediate.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from kbench import __version__
from kbench.cli_options import ONLY, RESULTS, SCALE, SUITES
from kbench.cli_run import run, run_one, status
from kbench.errors import KBenchError

KINDS = ("operators", "architectures", "datasets", "evaluations", "recipes", "metrics", "suites")


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
    from kbench.extensions import see_working_folder

    see_working_folder()


for command in (run, status, run_one):
    main.add_command(command)


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
    from kbench.plan import measure_times, plan_suites
    from kbench.run import tell_reasons

    plans = plan_suites(suites, scale, results, only)
    tell_reasons(plans)
    planned = [item for found in plans for item in found.cells]
    if options["measure"]:
        planned = measure_times(planned, options["device"])
    as_json = options["as_json"]
    if as_json:
        click.echo(json.dumps([item.to_json() for item in planned], indent=1))
    else:
        click.echo(format_plan(planned))


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
@click.option("--summary", is_flag=True, help="Count the published numbers of every paper instead.")
@click.option("--published", is_flag=True, help="List the published numbers and their cells.")
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
    """List names with one-line summaries and options, those of installed packages too."""
    from kbench.extensions import load_installed
    from kbench.listing import format_listing
    from kbench.suite import ENTRY_POINTS

    load_installed(ENTRY_POINTS)
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


@main.group()
def data() -> None:
    """Bring data to where it belongs and verify it."""


@data.command()
@click.argument("name")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="As in a suite.")
@click.option("--download", is_flag=True, help="Fetch what is missing from the network.")
@click.option("--ffcv", is_flag=True, help="Also write the files of loader ffcv.")
@click.option(
    "--max-side",
    type=click.IntRange(0),
    help="Longest side of stored pictures in pixels, 0 for any  [default: 500]",
)
@click.option(
    "--jpeg-quality", type=click.IntRange(1, 100), help="Of stored pictures  [default: 90]"
)
@click.option(
    "--jpeg-share",
    type=click.FloatRange(0, 1),
    help="Share of the pictures that are compressed, the others are pixels  [default: 0.5]",
)
@click.option("--split", "splits", multiple=True, help="Only these files  [default: all]")
@click.option("--workers", type=click.IntRange(1), help="Threads  [default: one per core]")
def prepare(name: str, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Unpack what is there, download the rest if allowed, verify everything.

    With --ffcv, also write a .beton file for each split; what is there and whole is left alone, and
    what was interrupted is gone on with. Size, quality and share are the recipe's `storage`.
    """
    from kbench.prepare_command import PrepareOptions, prepare_data

    click.echo(prepare_data(name, PrepareOptions(**options), progress=sys.stderr.isatty()))


@data.command()
@click.argument("name")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="As in a suite.")
def verify(name: str, options: tuple[str, ...]) -> None:
    """Read all of a dataset and print its counts, class balance and checksums."""
    from kbench.data_command import verify_data

    click.echo(verify_data(name, options, progress=sys.stderr.isatty()))


@data.command(name="list")
def list_data() -> None:
    """List all datasets, and what of them is on disk."""
    from kbench import data_command

    click.echo(data_command.list_data())


@main.group()
def bench() -> None:
    """Measure speed against a peer in the same run."""


@bench.command()
@click.option("--device", default="cpu", show_default=True, help="Where the batches have to end.")
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True)
@click.option(
    "--images",
    "kinds",
    type=click.Choice(["images", "pictures"]),
    multiple=True,
    help="Images of 32 pixels, pictures of 224 as JPEG  [default: both]",
)
@click.option(
    "--workers", type=click.IntRange(0), multiple=True, help="A row each  [default: 0 and 2]"
)
@click.option("--repetitions", type=click.IntRange(1), default=5, show_default=True)
@click.option("--prepare", "is_preparing", is_flag=True, help="Time writing .beton files instead.")
@BENCH_OUTPUT
def loaders(output: Path | None, *, is_preparing: bool, **options: Any) -> None:  # noqa: ANN401 - as parsed
    """Images per second of the loaders, of torch's DataLoader and of bare FFCV, side by side."""
    from kbench.bench.loaders import bench_loaders
    from kbench.bench.preparation import bench_preparation
    from kbench.bench.report import report_rows

    kinds: Any = options["kinds"] or ("images", "pictures")
    workers = options["workers"] or (0, 2)
    repetitions = options["repetitions"]
    if is_preparing:
        rows: list[Any] = [*bench_preparation(num_workers=max(workers), repetitions=repetitions)]
    else:
        rows = [
            *bench_loaders(
                kinds,
                batch_size=options["batch_size"],
                device=options["device"],
                num_workers=workers,
                repetitions=repetitions,
            )
        ]
    click.echo(report_rows(rows, output, shared=("device", "threads") * (not is_preparing)))


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
