import json

import pytest
from click.testing import CliRunner

from kbench.check import check_suites
from kbench.cli import main

# LC, section 5.1: ResNet-20-16 with 3 channels and 10 classes.
RESNET20 = 272_474
GRID = [{"dataset": "cifar10", "architecture": "resnet20_cifar", "operator": "conv"}]
PUBLISHED = """
paper: demo
citation:
  {title: T, authors: [A], venue: V, year: 2024, arxiv: null, doi: null, code: null,
   code_licence: null}
tables:
  - id: sizes
    source: Table 3
    title: Sizes
    metric: params_m
    unit: million
    higher_is_better: false
    protocol: {runs: 1, spread: none, selection: last}
    rows: [{id: cifar10, label: CIFAR-10}]
    columns: [{id: plain, label: Plain}]
    cells: [{row: cifar10, column: plain, value: VALUE, evidence: table}]
"""


@pytest.fixture
def suite_with_count(write_suite):
    """Return a function that writes a suite and the published size of its network."""

    def write(value, **table):
        spec = {"table": "sizes", "columns": {"conv": "plain"}}
        given = {"id": "size", "rows": "dataset", "columns": "operator", "metric": "num_params"}
        tables = [given | {"published": spec} | table]
        path = write_suite(paper="demo", grid=GRID, tables=tables)
        (path.parent / "published").mkdir(exist_ok=True)
        text = PUBLISHED.replace("VALUE", value)
        (path.parent / "published" / "demo.yaml").write_text(text)
        return path

    return write


def test_every_scale_is_expanded_and_networks_are_counted(write_suite, capsys) -> None:
    path = write_suite(seeds=[0, 1], scales={"smoke": {"seeds": 0}})
    assert check_suites([path], verbose=False) == 0
    text = capsys.readouterr().out
    assert "scale full: 2 cells" in text
    assert "scale smoke: 1 cells" in text
    assert "1 networks, 0 of them invalid" in text


def test_every_network_has_a_line_with_its_counts(write_suite, capsys) -> None:
    assert check_suites([write_suite(grid=GRID)], verbose=False) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("cifar10")]
    expected = ["cifar10", "resnet20_cifar", "conv", "272,474", "272,474", "40.81", "M"]
    assert line.split() == expected
    assert "published" not in "".join(lines)


def test_verbose_prints_the_layers_of_every_network(write_suite, capsys) -> None:
    path = write_suite(grid=[GRID[0] | {"operator": ["conv", "gmconv"]}])
    assert check_suites([path], verbose=True) == 0
    text = capsys.readouterr().out
    assert text.count("blocks.8.conv2") == 2
    assert "resnet20_cifar with gmconv on cifar10" in text


def test_layers_are_left_out_of_the_short_form(write_suite, capsys) -> None:
    check_suites([write_suite()], verbose=False)
    assert "blocks" not in capsys.readouterr().out


def test_combination_that_cannot_exist_is_invalid_with_its_reason(write_suite, capsys) -> None:
    grid = [{"dataset": "digits", "architecture": "resnet8_cifar", "operator": "niff"}]
    assert check_suites([write_suite(grid=grid)], verbose=True) == 0
    text = capsys.readouterr().out
    assert "1 of them invalid" in text
    assert "invalid: " in text


def test_value_out_of_range_is_an_error_of_the_suite(write_suite) -> None:
    operator = {"name": "lc", "expansion": 0}
    grid = [{"dataset": "digits", "architecture": "resnet8_cifar", "operator": operator}]
    result = CliRunner().invoke(main, ["check", str(write_suite(grid=grid))])
    assert result.exit_code == 2
    assert "demo.yaml:" in result.stderr
    assert "expansion" in result.stderr


def test_without_torch_there_are_no_counts(suite_with_count, monkeypatch, capsys) -> None:
    monkeypatch.setattr("kbench.plan.importlib.util.find_spec", lambda _: None)
    assert check_suites([suite_with_count("0.47")], verbose=True) == 0
    assert "needs torch" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["0.27", "0.272", "0.2725", "0.272474"])
def test_a_count_that_rounds_to_the_published_one_is_a_match(suite_with_count, value) -> None:
    result = CliRunner().invoke(main, ["check", str(suite_with_count(value))])
    assert result.exit_code == 0
    difference = f"{RESNET20 - float(value) * 1e6:+,.0f}"
    assert f"{value} million  {difference} match" in result.stdout


@pytest.mark.parametrize("value", ["0.28", "0.273", "0.2724", "0.270", "0.47"])
def test_another_count_is_a_line_and_exit_status_1(suite_with_count, value) -> None:
    path = suite_with_count(value)
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 1
    line_of_table = 1 + path.read_text().splitlines().index(' "tables": [') + 1
    assert result.stdout.splitlines()[-1] == (
        f"{path}:{line_of_table}: resnet20_cifar with conv on cifar10: num_params 272,474,"
        f" published {value} million (Table 3, row 'cifar10', column 'plain'),"
        f" difference {RESNET20 - float(value) * 1e6:+,.0f}"
    )


def test_the_tolerance_of_the_table_explains_a_difference(suite_with_count) -> None:
    path = suite_with_count("0.28", tolerance=8000)
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0
    assert "0.28 million  -7,526 close" in result.stdout


def test_a_tolerance_that_is_too_small_explains_nothing(suite_with_count) -> None:
    path = suite_with_count("0.28", tolerance=7000)
    assert CliRunner().invoke(main, ["check", str(path)]).exit_code == 1


def test_every_suite_is_checked_although_the_first_is_off(suite_with_count, capsys) -> None:
    path = suite_with_count("0.47")
    other = path.with_name("other.yaml")
    other.write_text(json.dumps(json.loads(path.read_text()) | {"suite": "other"}))
    assert check_suites([path, other], verbose=False) == 1
    assert capsys.readouterr().out.count("difference -197,526") == 2


def test_recipes_and_published_numbers_of_a_glob_are_left_out_and_told(write_suite, capsys) -> None:
    suite = write_suite()
    recipe = suite.parent / "recipes" / "plain.yaml"
    assert check_suites([suite, recipe], verbose=False) == 0
    printed = capsys.readouterr()
    assert f"{suite}: scale full: 1 cells" in printed.out
    assert printed.err == f"{recipe}: no suite by its folder, left out\n"
