"""What a suite means; all findings of a file at once, in file order, each with its line."""

import sys
from pathlib import Path

import pytest

from kbench import registry
from kbench.errors import SuiteError
from kbench.suite import load_suite
from kbench.suite_axes import unknown_axis

FOLDER = Path(__file__).parents[1] / "suites"
SUITES = sorted(
    path for path in FOLDER.rglob("*.yaml") if not {"recipes", "published"} & set(path.parts)
)
HEAD = "suite: demo\ntitle: Demonstration\nrecipe: plain\n"
GRID = "grid:\n  - dataset: digits\n    architecture: resnet8_cifar\n    operator: [conv, lc]\n"
TABLE = "tables:\n  - {id: a, rows: operator, columns: dataset, metric: top1}\n"


@pytest.fixture
def refused(write_suite):
    """Return a function that gives the findings of a suite's text, without the suite's path."""

    def load(text: str) -> list[str]:
        path = write_suite(text)
        with pytest.raises(SuiteError, match=r"yaml:\d+: ") as caught:
            load_suite(path)
        folder = f"{path.parent}/"
        return [
            finding.replace(folder, "").removeprefix("demo.yaml:")
            for finding in caught.value.findings
        ]

    return load


@pytest.mark.parametrize("path", SUITES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_suites_of_this_repository_load_and_expand_at_every_scale(path) -> None:
    suite = load_suite(path)
    for scale in suite.scales:
        cells = suite.cells(scale)
        assert bool(cells) != bool(suite.file.reason)
        assert len({cell.id for cell in cells}) == len(cells)
        assert {(cell.suite, cell.scale) for cell in cells} <= {(suite.file.suite, scale)}


def test_a_path_may_be_text(write_suite) -> None:
    path = write_suite()
    assert load_suite(str(path)).path == path


WRONG = {
    "unknown-operator": (
        HEAD + GRID.replace("lc", "lcc"),
        ["7: unknown operator 'lcc' (did you mean 'lc'?); known: "],
    ),
    "unknown-dataset": (
        HEAD + GRID.replace("digits", "digit"),
        ["5: unknown dataset 'digit' (did you mean 'digits'?); known: "],
    ),
    "unknown-architecture": (
        HEAD + GRID.replace("resnet8_cifar", "resnet9_cifar"),
        ["6: unknown architecture 'resnet9_cifar' (did you mean 'resnet"],
    ),
    "unknown-evaluation": (
        HEAD + GRID + "evaluate: [test, {name: fsgm}]\n",
        ["8: unknown evaluation 'fsgm' (did you mean 'fgsm'?); known: "],
    ),
    "unknown-recipe": (
        HEAD.replace("plain", "plane") + GRID,
        ["3: unknown recipe 'plane' (did you mean 'plain'?); known: plain"],
    ),
    "unknown-recipe-of-a-block": (
        HEAD + GRID + "    recipe:\n      - plain\n      - plane\n",
        ["10: unknown recipe 'plane' (did you mean 'plain'?); known: plain"],
    ),
    "unknown-recipe-of-a-scale": (
        HEAD + GRID + "scales:\n  smoke:\n    recipe:\n      epochs: 1\n      name: plane\n",
        ["12: unknown recipe 'plane' (did you mean 'plain'?); known: plain"],
    ),
    "option-not-taken": (
        HEAD + GRID.replace("lc]", "{name: lc, expand: 2}]"),
        ["7: operator 'lc' has no option 'expand' (did you mean 'expansion'?); it takes ['exec"],
    ),
    "value-not-allowed": (
        HEAD + GRID.replace("lc]", "{name: lc, expansion: 2.5}]"),
        ["7: operator lc.expansion: expected int, got 2.5"],
    ),
    "one-value-of-an-axis-not-allowed": (
        HEAD + GRID.replace("lc]", "{name: lc, init: [uniform,\n        normal]}]"),
        ["8: operator lc.init: expected 'uniform' | 'normal_fan_out', got 'normal'"],
    ),
    "yaml-boolean-that-is-text": (
        HEAD + GRID.replace("lc]", "{name: lc, frozen: no}]"),
        ["7: operator lc.frozen: expected bool, got 'no'"],
    ),
    "option-of-a-dataset-in-a-scale": (
        HEAD
        + GRID
        + "scales:\n  smoke:\n    grid:\n      - dataset: {name: digits, sise: 8}\n"
        + "        architecture: resnet8_cifar\n        operator: conv\n",
        ["11: dataset 'digits' has no option 'sise' (did you mean 'size'?); it takes ['channels'"],
    ),
    "evaluation-of-a-scale": (
        HEAD + GRID + "scales:\n  smoke:\n    evaluate: [tset]\n",
        ["10: unknown evaluation 'tset' (did you mean 'test'?); known: "],
    ),
    "recipe-key": (
        HEAD.replace("plain", "{name: plain, learning_rate: 1}") + GRID,
        ["3: recipe: unknown key 'learning_rate'; known: epochs, "],
    ),
    "recipe-value-of-a-scale": (
        HEAD + GRID + "scales:\n  smoke:\n    recipe:\n      epochs: 1\n      lr: fast\n",
        ["12: recipe: lr: expected a number, got 'fast'"],
    ),
    "recipe-contradiction-of-a-scale": (
        HEAD.replace("plain", "{name: plain, warmup_epochs: 1}")
        + GRID
        + "scales:\n  smoke:\n    recipe: {epochs: 1}\n",
        ["10: recipe: warmup_epochs (=1) must be less than epochs (=1)"],
    ),
    "doubled-label": (
        HEAD
        + GRID.replace(
            "[conv, lc]", "\n      - {name: conv, label: x}\n      - {name: lc, label: x}"
        ),
        ["9: label 'x' names two operators"],
    ),
    "label-that-is-another-name": (
        HEAD + GRID.replace("lc]", "{name: lc, label: conv}]"),
        ["7: label 'conv' names two operators"],
    ),
    "unknown-axis": (
        HEAD + GRID + TABLE.replace("rows: operator", "rows: operater"),
        [
            "9: unknown axis 'operater' (did you mean 'operator'?); known: dataset, architecture, ",
        ],
    ),
    "seed-is-no-axis-of-a-table": (
        HEAD + GRID + TABLE.replace("rows: operator", "rows: seed"),
        ["9: unknown axis 'seed'"],
    ),
    "unknown-option-axis": (
        HEAD + GRID + TABLE.replace("rows: operator", "rows: [operator, operator.expand]"),
        ["9: unknown axis 'operator.expand' (did you mean 'operator.expansion'?); known: "],
    ),
    "unknown-recipe-axis": (
        HEAD + GRID + TABLE.replace("rows: operator", "rows: recipe.learning_rate"),
        ["9: unknown axis 'recipe.learning_rate'"],
    ),
    "unknown-metric": (
        HEAD + GRID + TABLE.replace("top1", "[top1, top_5]"),
        ["9: unknown metric 'top_5' (did you mean 'top5'?); known: "],
    ),
    "table-given-twice": (
        HEAD + GRID + TABLE + TABLE.partition("\n")[2],
        ["10: id 'a' is that of an earlier table"],
    ),
    "tolerance-of-another-metric": (
        HEAD + GRID + TABLE.replace("}", ", tolerance: {top_1: 1, top1: 2}}"),
        ["9: unknown metric of the table 'top_1' (did you mean 'top1'?); known: top1"],
    ),
    "unknown-where-axis": (
        HEAD + GRID + TABLE.replace("}", ", where: {operater: lc}}"),
        ["9: unknown axis 'operater' (did you mean 'operator'?)"],
    ),
    "unknown-where-value": (
        HEAD + GRID + TABLE.replace("}", ", where: {operator: [lc, lcc]}}"),
        ["9: unknown operator 'lcc' (did you mean 'lc'?); known: conv, lc"],
    ),
    "published-without-paper": (
        HEAD + GRID + TABLE.replace("}", ", published: table1}"),
        ["9: published needs the suite's key 'paper', the file of published numbers"],
    ),
    "unknown-exclude-axis": (
        HEAD + GRID + "exclude:\n  - {seed: 0}\n  - {sed: 0}\n",
        ["10: unknown axis 'sed' (did you mean 'seed'?); known: dataset, architecture, operator, "],
    ),
    "unknown-exclude-value": (
        HEAD + GRID + "exclude:\n  - operator: lcc\n    dataset: digits\n",
        ["9: unknown operator 'lcc' (did you mean 'lc'?); known: conv, lc"],
    ),
    "unknown-exclude-value-of-a-scale": (
        HEAD + GRID + "scales:\n  smoke:\n    exclude: [{operator.expansion: 128}]\n",
        ["10: unknown operator.expansion '128' (did you mean '1'?); known: 1"],
    ),
    "everything-excluded": (
        HEAD + GRID + "exclude:\n  - dataset: digits\n",
        ["8: scale 'full' has an empty grid: everything is excluded"],
    ),
    "everything-excluded-from-a-scale": (
        HEAD + GRID + "scales:\n  smoke:\n    exclude: [{seed: 0}]\n",
        ["10: scale 'smoke' has an empty grid: everything is excluded"],
    ),
    "module-missing": (
        HEAD + GRID + "imports:\n  - json\n  - no_such_module_of_mine\n",
        ["10: module 'no_such_module_of_mine' cannot be imported: No module named 'no_such_mod"],
    ),
}


@pytest.mark.parametrize(("text", "findings"), WRONG.values(), ids=WRONG.keys())
def test_each_mistake_is_told_with_its_line(refused, text, findings) -> None:
    found = refused(text)
    assert len(found) == len(findings)
    for line, expected in zip(found, findings, strict=True):
        assert line.startswith(expected)


def test_all_mistakes_of_names_are_told_at_once_in_file_order(refused) -> None:
    found = refused(
        HEAD
        + "grid:\n"
        + "  - dataset: [digits, digit]\n"
        + "    architecture: {name: resnet8_cifar, widht: 8}\n"
        + "    operator:\n"
        + "      - {name: lc, expansion: x}\n"
        + "      - lcc\n"
        + "evaluate: tset\n"
    )
    assert [line.partition(":")[0] for line in found] == ["5", "6", "8", "9", "10"]


def test_all_mistakes_of_recipes_and_tables_are_told_at_once_in_file_order(
    refused, tmp_path
) -> None:
    recipe = tmp_path / "suites" / "recipes" / "plain.yaml"
    recipe.write_text(recipe.read_text() + "momentun: 1\n")
    found = refused(
        HEAD
        + "grid:\n"
        + "  - dataset: digits\n"
        + "    architecture: resnet8_cifar\n"
        + "    operator: conv\n"
        + "    recipe: {gama: 1}\n"
        + TABLE.replace("top1", "top2")
        + "exclude: [{opreator: x}]\n"
    )
    assert [line.partition(":")[0] for line in found[:3]] == ["8", "10", "11"]
    assert found[3].startswith("recipes/plain.yaml:5: recipe: unknown key 'momentun'")


def test_what_yaml_refuses_comes_first(refused) -> None:
    found = refused("suite: demo\nsuite: demo\ntitel: x\ngrid:\n")
    assert [line.partition(":")[0] for line in found] == ["2", "4"]


def test_a_scale_may_use_a_label_for_another_size(write_suite) -> None:
    block = {"dataset": "digits", "architecture": "resnet8_cifar"}
    grids = [
        [block | {"operator": {"name": "lc", "expansion": n, "label": "lc-frozen"}}] for n in (8, 1)
    ]
    suite = load_suite(write_suite(grid=grids[0], scales={"smoke": {"grid": grids[1]}}))
    assert suite.scales == ("full", "smoke")


def test_values_excluded_at_one_scale_may_be_of_another(write_suite) -> None:
    keys = {"exclude": [{"seed": 7}], "scales": {"smoke": {"seeds": [0, 7]}}}
    suite = load_suite(write_suite(**keys))
    assert [cell.seed for cell in suite.cells("smoke")] == [0]


@pytest.mark.parametrize(
    ("axis", "is_known"),
    [
        ("operator", True),
        ("operator.expansion", True),
        ("operator.", False),
        ("operator.sigma", False),
        ("recipe.lr", True),
        ("recipe.augmentation.flip", True),
        ("recipe.augmentation", False),
        ("recipe.changed", False),
        ("seed", False),
        ("seed.x", False),
        ("KIND.OPTION", False),
        ("", False),
    ],
    ids=str,
)
def test_axes_are_kinds_and_options_that_the_suite_has(write_suite, axis, is_known) -> None:
    block = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": ["conv", "lc"]}
    suite = load_suite(write_suite(grid=[block]))
    assert (unknown_axis(suite, axis) == "") is is_known


MODULE = '''
from kbench.registry import OPERATORS


@OPERATORS.register({name!r})
class Smear:
    """Operator of a user's own."""

    version = 3

    def __init__(self, in_channels, out_channels, kernel_size, *, width: int = 3) -> None:
        pass
'''


@pytest.fixture
def write_module(tmp_path, monkeypatch, request):
    """Return a function that writes an importable module that registers an operator."""
    request.getfixturevalue("registries")
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(module: str, name: str) -> None:
        (tmp_path / f"{module}.py").write_text(MODULE.format(name=name))
        written.append(module)

    yield write
    for module in written:
        sys.modules.pop(module, None)


def own_suite(module: str, operator: object) -> dict:
    block = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": operator}
    return {"imports": [module], "grid": [block]}


def test_a_module_of_the_users_own_adds_an_operator(write_suite, write_module) -> None:
    write_module("own_smear", "smear")
    keys = own_suite("own_smear", {"name": "smear", "width": [3, 5]})
    cells = load_suite(write_suite(**keys)).cells()
    assert [cell.operator.options for cell in cells] == [{}, {"width": 5}]
    assert cells[0].imports == ("own_smear",)
    assert "smear" in registry.OPERATORS


def test_options_of_a_users_own_operator_are_checked_too(write_suite, write_module) -> None:
    write_module("own_smear2", "smear")
    keys = own_suite("own_smear2", {"name": "smear", "widht": 5})
    expected = r"operator 'smear' has no option 'widht' \(did you mean 'width'\?\); it takes"
    with pytest.raises(SuiteError, match=expected):
        load_suite(write_suite(**keys))


def test_a_module_that_takes_a_name_of_kbench_is_refused(write_suite, write_module) -> None:
    write_module("own_lc", "lc")
    registry.OPERATORS._entries.pop("lc", None)
    with pytest.raises(SuiteError, match="'lc' is registered twice: by kbench and by own_lc"):
        load_suite(write_suite(**own_suite("own_lc", "lc")))


def test_a_module_that_registers_twice_is_refused(write_suite, write_module) -> None:
    write_module("own_first", "smear")
    write_module("own_second", "smear")
    keys = own_suite("own_first", "smear") | {"imports": ["own_first", "own_second"]}
    expected = "'own_second' cannot be imported: operator 'smear' is registered twice"
    with pytest.raises(SuiteError, match=expected):
        load_suite(write_suite(**keys))


class Point:
    """What an installed package announces."""

    def load(self) -> None:
        registry.OPERATORS.register("announced")(Point)


@pytest.mark.usefixtures("registries")
def test_installed_packages_add_names(write_suite, monkeypatch) -> None:
    found = {"kbench.operators": [Point()]}
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found.get(group, []))
    suite = load_suite(write_suite(grid=own_suite("x", "announced")["grid"]))
    assert suite.cells()[0].operator.name == "announced"


def test_findings_of_every_kind_are_told_at_once(write_suite) -> None:
    path = write_suite(
        grid=[
            {
                "dataset": "digit",
                "architecture": {"name": "resnet8_cifar", "widht": 8},
                "operator": "conv",
                "recipe": {"weigth_decay": 0.1},
            }
        ],
        exclude=[{"dataste": "digits"}],
        tables=[{"id": "t", "rows": "datset", "columns": "operator.gain", "metric": "top9"}],
    )
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    for word in ("'digit'", "'widht'", "'weigth_decay'", "'dataste'", "'datset'", "'top9'"):
        assert sum(word in finding for finding in caught.value.findings) == 1, word
    assert any("operator.gain" in finding for finding in caught.value.findings)
