"""The commands that need no torch: what they print, on which stream, with which exit status."""

import json
import re
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kbench import __version__
from kbench.cli import main
from kbench.cli_options import Duration
from kbench.suite_file import SuiteFile

pytestmark = pytest.mark.usefixtures("own_cache")
BLOCK = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": ["conv", "lc"]}
COMMANDS = [name for name, command in main.commands.items() if not isinstance(command, click.Group)]


@pytest.fixture
def kbench(tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def invoke(*arguments: object):
        return CliRunner().invoke(main, [str(item) for item in arguments])

    return invoke


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Replace the measurement of networks."""
    fields = {"num_params": 2**18, "num_learnable_params": 1, "macs": 1000, "train_images": 10}
    monkeypatch.setattr("kbench.cost._measure", lambda _: fields)


def test_the_version_is_shown(kbench) -> None:
    result = kbench("--version")
    assert (result.exit_code, __version__ in result.stdout) == (0, True)


MODULE = """
from kbench.registry import OPERATORS

@OPERATORS.register("own")
class Own:
    \"""An operator of the current folder.\"""
"""


@pytest.mark.usefixtures("registries")
def test_modules_of_the_current_folder_are_found(kbench, write_suite, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    Path("own_module.py").write_text(MODULE)
    block = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": "own"}
    result = kbench("plan", write_suite(imports=["own_module"], grid=[block]))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "-own-s0-" in result.stdout


@pytest.mark.usefixtures("registries")
def test_names_of_installed_packages_are_listed(kbench, monkeypatch) -> None:
    own = kbench("list", "operators").stdout
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    Path("own_module.py").write_text(MODULE)
    package = Path("own_package-1.0.dist-info")
    package.mkdir()
    (package / "entry_points.txt").write_text("[kbench.operators]\nown = own_module:Own\n")
    found = kbench("list", "operators").stdout
    assert "An operator of the current folder." in found
    assert "An operator of the current folder." not in own


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(kbench, name) -> None:
    result = kbench(name, "-h")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert main.commands[name].help


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "No such command 'nothing'"),
        (("plan",), "Missing argument 'SUITES...'"),
        (("status", "--wrong"), "No such option"),
        (("list", "operator"), "is not one of 'operators'"),
        (("run", "a.yaml", "--jobs", "0"), "0 is not in the range x>=1"),
        (("run", "a.yaml", "--time-limit", "soon"), "'soon' is no duration; write 2h, 90m"),
    ],
    ids=str,
)
def test_a_wrong_command_line_ends_with_2(kbench, arguments, message) -> None:
    result = kbench(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


@pytest.mark.parametrize("command", ["plan", "status", "run"])
def test_a_wrong_suite_ends_with_2_and_a_line_for_each_finding(
    kbench, write_suite, command
) -> None:
    path = write_suite("suite: demo\ntitle: [x]\nrecip: plain\ngrid: []\n")
    result = kbench(command, path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"Error: {path}:1: missing key 'recipe'",
        f"{path}:2: title: expected text, got ['x']",
        f"{path}:3: unknown key 'recip' (did you mean 'recipe'?); known: "
        + ", ".join(SuiteFile.model_fields),
        f"{path}:4: grid: an empty list; at least one is needed",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suite: [\n", r"demo\.yaml:2: "),
        ("suite: a\nsuite: b\n", r"demo\.yaml:2: key 'suite' is given twice; first in line 1"),
        ("", r"demo\.yaml:1: file is empty"),
        ("- a\n", r"demo\.yaml:1: expected a mapping, got \['a'\]"),
    ],
    ids=["open", "twice", "empty", "list"],
)
def test_malformed_yaml_ends_with_2(kbench, write_suite, text, message) -> None:
    result = kbench("status", write_suite(text))
    assert result.exit_code == 2
    assert re.search(message, result.stderr)


@pytest.mark.parametrize("command", ["plan", "status", "run"])
def test_a_suite_that_is_not_there_ends_with_2(kbench, command) -> None:
    result = kbench(command, "gone.yaml")
    assert result.exit_code == 2
    assert result.stderr == "Error: gone.yaml:1: no such file or directory\n"


@pytest.mark.parametrize("command", ["plan", "status", "run"])
def test_a_scale_that_the_suite_does_not_have_ends_with_2(kbench, write_suite, command) -> None:
    result = kbench(command, write_suite(scales={"smoke": {}}), "--scale", "tiny")
    assert result.exit_code == 2
    assert result.stderr.endswith(":1: no scale 'tiny'; the suite has full, smoke\n")


def test_plan_shows_every_cell_and_what_is_left(kbench, write_suite) -> None:
    result = kbench("plan", write_suite(grid=[BLOCK], seeds=[0, 1]))
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["todo"] * 4
    assert lines[-1] == "4 cells: 4 todo; to do: time not known yet, 4 MiB of weights"


def test_plan_prints_json_of_chosen_cells(kbench, write_suite) -> None:
    path = write_suite(grid=[BLOCK], seeds=[0, 1])
    result = kbench("plan", path, "--json", "--only", "operator=lc", "--only", "seed=1")
    (cell,) = json.loads(result.stdout)
    assert (cell["operator"], cell["seed"], cell["state"], cell["macs"]) == ("lc", 1, "todo", 1000)


def test_plan_shows_what_cannot_exist_with_its_reason(kbench, write_suite, monkeypatch) -> None:
    monkeypatch.setattr("kbench.cost._measure", lambda _: "no form of stride 2")
    result = kbench("plan", write_suite())
    assert result.exit_code == 0
    assert "invalid" in result.stdout
    assert "no form of stride 2" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 cells: 1 invalid; to do: 0.00 h")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_suite_without_cells_says_why(kbench, write_suite, command) -> None:
    result = kbench(command, write_suite(grid=[], reason="nothing to compare with", recipe={}))
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == "demo: no cells: nothing to compare with"


@pytest.mark.parametrize("command", ["check", "status", "report"])
def test_a_suite_without_cells_is_no_error(kbench, write_suite, command) -> None:
    table = {"id": "t", "rows": "operator", "columns": "dataset", "metric": "top1"}
    keys = {"grid": [], "reason": "nothing to compare with", "recipe": {}, "tables": [table]}
    result = kbench(command, write_suite(**keys))
    assert (result.exit_code, result.stderr) == (0, "")


def test_plan_joins_several_suites(kbench, write_suite) -> None:
    path = write_suite(grid=[BLOCK])
    result = kbench("plan", path, path, "--json")
    assert len(json.loads(result.stdout)) == 4


def test_a_wrong_filter_ends_with_2(kbench, write_suite) -> None:
    result = kbench("plan", write_suite(), "--only", "optimizer=sgd")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: --only 'optimizer=sgd': unknown axis 'optimizer'")


@pytest.mark.parametrize("command", ["plan", "status"])
def test_results_are_looked_for_in_the_folder_that_is_given(
    kbench, write_suite, finish, demo_cell, tmp_path, command
) -> None:
    finish(demo_cell())
    path = write_suite()
    assert "1 todo" in kbench(command, path).stdout
    assert "1 done" in kbench(command, path, "--results", tmp_path / "results").stdout


def test_records_of_another_schema_are_told_and_not_counted(
    kbench, write_suite, finish, demo_cell, tmp_path
) -> None:
    record = finish(demo_cell())
    record.write_text(record.read_text().replace('"schema_version": 1', '"schema_version": 9'))
    result = kbench("status", write_suite(), "--results", tmp_path / "results")
    assert result.exit_code == 0
    assert "schema version 9; this kbench reads 1" in result.stdout
    shown = kbench("show", "digits", "--results", tmp_path / "results")
    assert shown.exit_code == 2
    assert shown.stderr == f"Error: {record}: schema version 9; this kbench reads 1\n"


def test_damaged_records_are_told_and_not_counted(
    kbench, write_suite, finish, demo_cell, tmp_path
) -> None:
    record = finish(demo_cell())
    record.write_text(record.read_text()[:100])
    result = kbench("plan", write_suite(), "--results", tmp_path / "results")
    assert result.exit_code == 0
    assert "1 unreadable" in result.stdout
    shown = kbench("show", "digits", "--results", tmp_path / "results")
    assert shown.exit_code == 2
    assert "not a readable record" in shown.stderr


def test_status_prints_json(kbench, write_suite) -> None:
    result = kbench("status", write_suite(seeds=[0, 1]), "--json")
    (found,) = json.loads(result.stdout)
    assert (found["suite"], found["counts"], len(found["cells"])) == ("demo", {"todo": 2}, 2)


def test_watching_repeats_until_it_is_stopped(kbench, write_suite, monkeypatch) -> None:
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("kbench.cli_run.time.sleep", sleep)
    result = kbench("status", write_suite(), "--watch")
    assert result.stdout.count("demo (full): 1 cells: 1 todo") == 3
    assert slept == [2.0] * 3
    assert result.exit_code == 1


def test_show_prints_a_cell(kbench, finish, demo_cell, tmp_path) -> None:
    finish(demo_cell())
    result = kbench("show", demo_cell().id, "--results", tmp_path / "results")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{demo_cell().id}  (demo, scale full)")


def test_show_of_an_unknown_cell_ends_with_2(kbench) -> None:
    result = kbench("show", "nothing")
    assert result.exit_code == 2
    assert result.stderr == "Error: no record in 'results' for a cell 'nothing'\n"


@pytest.mark.parametrize(
    "kind",
    ["operators", "architectures", "datasets", "evaluations", "recipes", "metrics", "suites"],
)
def test_lists_have_a_header(kbench, kind) -> None:
    result = kbench("list", kind)
    assert result.exit_code == 0
    assert result.stdout.split()[0] == kind.removesuffix("s")


def test_schema_is_json_schema_of_suite_files(kbench) -> None:
    result = kbench("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SuiteFile.model_json_schema()


def test_doctor_prints_what_works(kbench, monkeypatch) -> None:
    monkeypatch.setattr("kbench.doctor._diagnose_data", lambda: iter(()))
    result = kbench("doctor")
    assert result.exit_code == 0
    assert re.search(r"^torch +ok", result.stdout, re.MULTILINE)


def test_an_error_of_the_program_is_not_hidden(kbench, write_suite, monkeypatch) -> None:
    def fail(*_: object) -> None:
        message = "a bug"
        raise RuntimeError(message)

    monkeypatch.setattr("kbench.status.read_status", fail)
    result = kbench("status", write_suite())
    assert isinstance(result.exception, RuntimeError)


@pytest.mark.parametrize(("value", "seconds"), [("2h", 7200), ("00:00:05", 5), ("1m30s", 90)])
def test_durations_are_seconds(value, seconds) -> None:
    assert Duration().convert(value, None, None) == seconds


def test_durations_need_a_unit() -> None:
    with pytest.raises(click.BadParameter, match="'90' is no duration; write 2h"):
        Duration().convert("90", None, None)


def test_nothing_is_written_by_commands_that_only_look(kbench, write_suite) -> None:
    path = write_suite()
    for arguments in (("plan", path), ("status", path), ("list", "metrics"), ("schema",)):
        assert kbench(*arguments).exit_code == 0
    assert list(Path.cwd().iterdir()) == []
