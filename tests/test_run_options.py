"""What the command line gives is what `RunOptions` has, name by name."""

from dataclasses import MISSING, fields

from kbench.cli_options import RESOURCES
from kbench.cli_run import run, run_one
from kbench.run_options import RunOptions

FIELDS = {field.name: field for field in fields(RunOptions)}


def test_every_option_of_run_is_one() -> None:
    names = {option.name for option in run.params} - {"suites", "scale"} - set(RESOURCES)
    assert names <= set(FIELDS)


def test_every_option_of_a_single_cell_is_one() -> None:
    names = {option.name for option in run_one.params}
    assert names - {"manifest", "index", "count", "remaining", "anew"} <= set(FIELDS)


def test_defaults_of_the_command_line_are_those_of_the_options() -> None:
    given = run.make_context("run", ["x.yaml"]).params
    defaults = {name: field.default for name, field in FIELDS.items()}
    names = [name for name in given if name not in RESOURCES]
    known = {name: given[name] for name in names if defaults.get(name, MISSING) is not MISSING}
    assert known == {name: defaults[name] for name in known}
    assert {"jobs", "device", "checkpoint_every", "wait"} <= set(known)


def test_resources_are_not_shared_between_runs(tmp_path) -> None:
    assert RunOptions(tmp_path).resources == {}
    assert RunOptions(tmp_path).resources is not RunOptions(tmp_path).resources
