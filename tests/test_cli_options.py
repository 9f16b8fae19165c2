"""Values of the command line's own types, and the options that are keys of `resources`."""

import click
import pytest
from click.testing import CliRunner

from kbench.cli_options import RESOURCES, Duration, KeyValue, resource_options, split_resources
from kbench.resources_file import ResourcesSpec


@click.command()
@click.option("--wait", is_flag=True)
@resource_options
def show(**options: object) -> None:
    """Print what was given."""
    click.echo(repr(split_resources(options)))


def call(*arguments: str) -> click.testing.Result:
    return CliRunner().invoke(show, arguments)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("02:00:00", 7200)], ids=str
)
def test_durations_are_seconds(text, seconds) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["soon", "2 h", "", "-1h"], ids=repr)
def test_what_is_no_duration_is_refused(text) -> None:
    with pytest.raises(click.BadParameter, match="duration"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("exclusive", ("exclusive", True)),
        ("--exclusive", ("exclusive", True)),
        ("nice=10", ("nice", "10")),
        ("comment=a=b", ("comment", "a=b")),
        ("comment=", ("comment", "")),
    ],
    ids=str,
)
def test_an_option_of_sbatch_is_a_key_with_or_without_a_value(text, value) -> None:
    assert KeyValue().convert(text, None, None) == value


def test_every_key_of_resources_is_an_option() -> None:
    assert set(RESOURCES) == set(ResourcesSpec.model_fields)
    assert {option.name for option in show.params} == {"wait", *RESOURCES}


def test_only_what_is_given_is_a_resource() -> None:
    assert call("--wait").output == "({}, {'wait': True})\n"
    found = call("--partition", "gpu", "--time", "2h", "--sbatch", "nice=1", "--sbatch", "hold")
    resources = {"partition": "gpu", "time": 7200, "sbatch": {"nice": "1", "hold": True}}
    assert found.output == f"({resources!r}, {{'wait': False}})\n"


def test_zero_devices_and_requeues_are_given() -> None:
    found = call("--gpus-per-cell", "0", "--requeues", "0")
    assert found.output == "({'devices': 0, 'requeues': 0}, {'wait': False})\n"


@pytest.mark.parametrize("name", ["nodes", "cpus", "max-parallel", "max-submit", "cells-per-task"])
def test_counts_start_at_one(name) -> None:
    found = call(f"--{name}", "0")
    assert found.exit_code == 2
    assert "0 is not in the range x>=1" in found.output
