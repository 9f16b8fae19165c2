import json

import pytest
from click.testing import CliRunner

from kbench.bench import command as bench_command
from kbench.bench import operators as bench_operators
from kbench.bench.command import OperatorsOptions, run_operators_bench
from kbench.bench.shapes import Shape, Variant, build_forms
from kbench.bench.targets import Target
from kbench.cli import main

TINY = Shape(4, (6, 6))


@pytest.fixture
def tiny_shapes(monkeypatch):
    sets = {"cifar": (TINY,), "imagenet": (Shape(4, (5, 5)),), "1d": (Shape(4, (20,)),)}
    monkeypatch.setattr(bench_command, "SHAPE_SETS", sets)


@pytest.fixture
def bench(tiny_shapes):  # noqa: ARG001 - small work
    def run(*arguments):
        command = ["bench", "operators", "--repetitions", "1", "--batch-size", "2", *arguments]
        return CliRunner().invoke(main, command)

    return run


def test_command_prints_rows_and_writes_both_files(bench, tmp_path):
    output, markdown = tmp_path / "bench.json", tmp_path / "bench.md"
    result = bench(
        *("--operator", "gmconv", "--operator", "conv", "--shapes", "cifar"),
        *("--output", str(output), "--markdown", str(markdown)),
    )
    assert result.exit_code == 0
    assert result.stdout.startswith("device cpu, precision fp32, layout contiguous")
    assert "gmconv static k=5, 4x6x6, batch 2" in result.stderr
    rows = json.loads(output.read_text())["rows"]
    assert [(row["operator"], row["form"]) for row in rows] == [
        ("gmconv static k=3", "operator"),
        ("gmconv static k=3", "plain"),
        ("gmconv static k=5", "operator"),
        ("gmconv static k=5", "plain"),
        ("gmconv dynamic k=3", "operator"),
        ("gmconv dynamic k=3", "plain"),
        ("gmconv dynamic k=3", "literal"),
        ("conv k=3", "operator"),
        ("conv k=3", "plain"),
    ]
    assert markdown.read_text().count("| gmconv dynamic k=3") == 3


def test_command_takes_all_sets_by_default(bench, tmp_path):
    output = tmp_path / "bench.json"
    result = bench("--operator", "conv", "--output", str(output))
    assert result.exit_code == 0
    rows = json.loads(output.read_text())["rows"]
    assert [row["shape"] for row in rows] == [
        shape for shape in ("4x6x6", "4x5x5", "4x20") for _ in ("operator", "plain")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--operator", "nif"), "did you mean 'niff'", id="name"),
        pytest.param(("--device", "tpu"), "device 'tpu' is not there", id="device"),
        pytest.param(("--shapes", "1d", "--channels-last"), "two axes only", id="layout"),
        pytest.param(
            ("--operator", "circular", "--shapes", "1d"), "nothing to measure", id="no 1-D form"
        ),
    ],
)
def test_command_refuses_what_cannot_be(bench, arguments, message):
    result = bench(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_command_measures_networks(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(bench_operators, "NETWORK_BATCHES", (1,))
    monkeypatch.setattr(bench_command, "NETWORK_EXPANSIONS", (2,))
    monkeypatch.setattr(bench_operators, "NETWORK", "resnet8_cifar")
    output = tmp_path / "bench.json"
    result = bench("--networks", "--output", str(output))
    assert result.exit_code == 0
    rows = json.loads(output.read_text())["rows"]
    assert [(row["form"], row["shape"]) for row in rows] == [
        ("operator", "3x32x32"),
        ("plain", "3x32x32"),
        ("literal", "3x32x32"),
    ]


def test_command_measures_the_targets_of_the_named_operators(monkeypatch):
    def forms():
        forms = build_forms("conv", Variant(), TINY)
        return {"operator": forms["operator"], "peer": forms["plain"]}

    targets = [Target(name, "a against b", TINY.input_shape, 2, forms, 1e9) for name in ("a", "b")]
    monkeypatch.setattr(bench_command, "operator_targets", lambda: targets)
    options = OperatorsOptions(names=("b",), targets=True, repetitions=1)
    rows = run_operators_bench(options, lambda _: None)
    assert [(row.operator, row.verdict) for row in rows] == [("b", "met")]


def test_options_of_the_command_reach_the_settings():
    options = OperatorsOptions(precision="bf16", channels_last=True, compiled=True, clock="cpu")
    described = options.settings().describe()
    assert (described["precision"], described["layout"]) == ("bf16", "channels_last")
    assert (described["is_compiled"], described["clock"]) == (True, "cpu")
