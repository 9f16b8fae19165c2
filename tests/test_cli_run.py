"""The commands `run`, `status` and `cell` as a shell sees them, without training anything."""

import json

import pytest
from click.testing import CliRunner

from kbench import cli_run
from kbench.cli import main
from kbench.executors.local import LocalSettings
from kbench.executors.slurm_submission import cell_key

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def kbench(tmp_path):
    """Return a function that calls a command."""

    def call(*arguments: object):
        results = ["--results", str(tmp_path / "results")]
        return CliRunner().invoke(main, [*map(str, arguments), *results])

    return call


@pytest.fixture
def cells(demo_cell):
    return [demo_cell(seed) for seed in range(3)]


@pytest.fixture
def suite(write_suite):
    return write_suite(seeds=[0, 1, 2])


def test_nothing_is_run_where_everything_is_done(kbench, suite, cells, finish) -> None:
    for cell in cells:
        finish(cell)
    found = kbench("run", suite)
    assert (found.exit_code, found.stdout) == (0, "")
    assert found.stderr == "nothing to run: 3 cells: 3 done\n"


def test_a_failed_cell_is_told_and_sets_the_exit_status(kbench, suite, cells, finish) -> None:
    for cell in cells:
        finish(cell, status="oom" if cell.seed == 1 else "ok", reason="no memory")
    found = kbench("run", suite)
    assert found.exit_code == 1
    assert f"failed    {cells[1].id}: oom: no memory\n" in found.stderr
    assert found.stderr.endswith("nothing to run: 3 cells: 2 done, 1 failed\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--wait",), "--wait: for --executor slurm only"),
        (("--cpus", 2, "--max-parallel", 1), "--cpus, --max-parallel: for --executor slurm only"),
        (("--gpus-per-cell", 2), "--gpus-per-cell: for --executor slurm only"),
        (("--executor", "slurm", "--gpus", "0"), "--gpus: for --executor local only"),
        (("--executor", "slurm", "--fail-fast"), "--fail-fast: for --executor local only"),
    ],
    ids=["wait", "resources", "devices", "gpus", "fail-fast"],
)
def test_options_of_the_other_executor_are_refused(kbench, suite, options, message) -> None:
    found = kbench("run", suite, *options)
    assert found.exit_code == 2
    assert message in found.stderr


def test_status_counts_and_names_what_went_wrong(kbench, suite, cells, finish) -> None:
    finish(cells[0])
    finish(cells[1], status="diverged", reason="loss is nan")
    found = kbench("status", suite)
    assert found.exit_code == 0
    head, *_, last = found.stdout.splitlines()
    assert head == "demo (full): 3 cells: 1 done, 1 failed, 1 todo"
    assert last.split() == ["failed", cells[1].id, "diverged:", "loss", "is", "nan"]


def test_status_as_json_has_every_cell(kbench, suite, cells, finish) -> None:
    finish(cells[2])
    (found,) = json.loads(kbench("status", suite, "--json").stdout)
    assert (found["suite"], found["scale"], found["counts"]) == ("demo", "full", found["counts"])
    assert found["counts"] == {"todo": 2, "done": 1}
    states = {name: item["state"] for name, item in found["cells"].items()}
    assert states == {cells[0].id: "todo", cells[1].id: "todo", cells[2].id: "done"}


def test_status_repeats_until_it_is_stopped(kbench, suite, monkeypatch) -> None:
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(cli_run.time, "sleep", wait)
    found = kbench("status", suite, "--watch")
    assert waits == [cli_run.WATCH_S, cli_run.WATCH_S]
    assert found.stdout.count("demo (full): 3 cells: 3 todo") == 2


@pytest.mark.parametrize(
    ("index", "content", "message"),
    [
        (0, "{}\n", "manifest.jsonl:1: cell has other keys than this version of kbench writes"),
        (0, "no\n", "manifest.jsonl:1: "),
        (5, "", "manifest.jsonl: no line 5; the manifest has 0, counted from 0"),
    ],
    ids=["other version", "no json", "no such line"],
)
def test_a_manifest_that_is_not_understood_is_named(
    kbench, tmp_path, index, content, message
) -> None:
    (tmp_path / "manifest.jsonl").write_text(content)
    found = kbench("cell", tmp_path / "manifest.jsonl", index)
    assert found.exit_code == 2
    assert message in found.stderr


def test_a_cell_that_is_done_since_it_was_handed_over_is_not_run_again(
    kbench, tmp_path, cells, finish
) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(f"{json.dumps(cell.to_json())}\n" for cell in cells))
    before = finish(cells[1]).read_bytes()
    found = kbench("cell", manifest, 1, "--remaining")
    assert found.exit_code == 0
    assert (tmp_path / "results" / cell_key(cells[1]) / "record.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "is_taken_over"),
    [((), False), (("--remaining",), True), (("--remaining", "--anew"), False)],
    ids=["by hand", "array", "array, run again"],
)
def test_a_result_is_taken_over_only_by_what_remains(
    kbench, tmp_path, cells, monkeypatch, options, is_taken_over
) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(f"{json.dumps(cell.to_json())}\n" for cell in cells))
    reuse: list[bool] = []

    def execute(_: object, settings: LocalSettings, __: object) -> int:
        reuse.append(settings.machine.reuse)
        return 0

    monkeypatch.setattr("kbench.run_here.execute", execute)
    found = kbench("cell", manifest, 0, *options)
    assert (found.exit_code, reuse) == (0, [is_taken_over])
