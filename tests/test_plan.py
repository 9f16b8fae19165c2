import pytest

from kbench import plan as plan_module
from kbench.cell import Choice, Limit
from kbench.cost import Cost
from kbench.errors import SuiteError, UnsupportedError
from kbench.plan import (
    PlannedCell,
    estimate_times,
    measure_times,
    network_of,
    plan_suite,
    plan_suites,
    trained_images,
)
from kbench.recipe import Finetune, Recipe
from kbench.state import State

BLOCK = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": ["conv", "lc"]}
COST = Cost(num_params=2**18, num_learnable_params=100, macs=1000, train_images=1000)


@pytest.fixture
def costs(monkeypatch):
    """Replace what networks cost, by the name of the operator."""
    known: dict[str, Cost | Exception] = {}

    def find(cell):
        found = known.get(cell.operator.name, COST)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(plan_module, "find_cost", find)
    return known


@pytest.fixture
def plan(write_suite, tmp_path, costs):
    """Return a function that plans a suite of two operators; `costs` says what they cost."""

    def make(*only: str, scale: str = "full", **keys: object):
        path = write_suite(**({"grid": [BLOCK]} | keys))
        return plan_suite(path, scale, tmp_path / "results", only).cells

    assert costs == {}
    return make


def test_a_plan_is_every_cell_in_file_order(plan) -> None:
    found = plan(seeds=[1, 0])
    assert [(item.cell.operator.name, item.cell.seed) for item in found] == [
        ("conv", 1),
        ("conv", 0),
        ("lc", 1),
        ("lc", 0),
    ]
    assert {(item.state.kind, item.cost, item.estimate_s) for item in found} == {
        ("todo", COST, None)
    }


def test_states_come_from_the_results(plan, finish) -> None:
    first, second = (item.cell for item in plan())
    finish(first)
    finish(second, status="oom", reason="too big")
    states = [(item.state.kind, item.state.reason) for item in plan()]
    assert states == [("done", ""), ("failed", "oom: too big")]


def test_what_cannot_exist_is_invalid_with_its_reason(plan, costs) -> None:
    costs["lc"] = UnsupportedError("no form of stride 2")
    valid, invalid = plan()
    assert valid.state == State("todo")
    assert invalid == PlannedCell(invalid.cell, State("invalid", "no form of stride 2"), None, None)


def test_arguments_that_no_network_takes_are_told_with_the_line_of_the_operator(
    plan, costs, tmp_path
) -> None:
    costs["lc"] = ValueError("expansion (=0) must be >= 1")
    costs["conv"] = ValueError("no")
    with pytest.raises(SuiteError, match="expansion") as caught:
        plan(seeds=[0, 1])
    suite = tmp_path / "suites" / "demo.yaml"
    lines = suite.read_text().splitlines()
    expected = [
        (number, line.strip().strip(',"'))
        for number, line in enumerate(lines, 1)
        if line.strip().strip(',"') in ("conv", "lc")
    ]
    assert list(caught.value.findings) == [
        f"{suite}:{expected[0][0]}: resnet8_cifar with conv on digits: no",
        f"{suite}:{expected[1][0]}: resnet8_cifar with lc on digits: expansion (=0) must be >= 1",
    ]


def test_a_fault_of_code_from_outside_is_told_with_its_place(plan, costs) -> None:
    costs["lc"] = KeyError("no such thing")
    told = r"lc on digits: KeyError: 'no such thing' \(.*test_plan\.py, line \d+\); `kbench check"
    with pytest.raises(SuiteError, match=told):
        plan(imports=["json"])


def test_a_fault_of_kbench_keeps_its_traceback(plan, costs) -> None:
    costs["lc"] = KeyError("no such thing")
    with pytest.raises(KeyError, match="no such thing"):
        plan()


def test_without_torch_costs_are_not_known(plan, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert {item.cost for item in plan()} == {None}
    assert {item.disk_mib for item in plan()} == {None}


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        (("operator=lc",), [("lc", 0), ("lc", 1)]),
        (("operator=l*", "seed=1"), [("lc", 1)]),
        (("seed=[12]",), [("conv", 1), ("lc", 1)]),
        (("operator.frozen=true",), [("lc", 0), ("lc", 1)]),
        (("operator.expansion=1", "seed=0"), [("lc", 0)]),
        (("recipe=pl*", "operator=conv", "seed=0"), [("conv", 0)]),
        (("recipe.lr=0.1", "seed=0"), [("conv", 0), ("lc", 0)]),
        (("recipe.augmentation.flip=false", "seed=0"), [("conv", 0), ("lc", 0)]),
        (("dataset=svhn",), []),
    ],
    ids=str,
)
def test_filters_choose_cells(plan, only, chosen) -> None:
    found = plan(*only, seeds=[0, 1])
    assert [(item.cell.operator.name, item.cell.seed) for item in found] == chosen


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("lc", "--only 'lc': write KEY=GLOB with KEY one of dataset, architecture, operator, "),
        ("op=lc", "--only 'op=lc': unknown axis 'op'"),
        ("operator.sigma=1", "--only 'operator.sigma=1': unknown axis 'operator.sigma'"),
        ("recipe.rate=1", "--only 'recipe.rate=1': unknown axis 'recipe.rate'"),
        ("seed.x=1", "--only 'seed.x=1': unknown axis 'seed.x' (did you mean 'seed'?)"),
        ("=1", "--only '=1': unknown axis ''"),
    ],
    ids=str,
)
def test_wrong_filters_are_told(plan, rule, message) -> None:
    with pytest.raises(SuiteError, match="--only") as caught:
        plan(rule)
    assert str(caught.value).startswith(message)


def test_filters_that_leave_nothing_of_all_suites_are_told(write_suite, tmp_path) -> None:
    path = write_suite()
    results = tmp_path / "results"
    with pytest.raises(SuiteError, match="--only 'operator=nope': no cell of scale 'full' matches"):
        plan_suites([path], "full", results, ["operator=nope"])
    first = plan_suites([path], "full", results)[0].cells[0].cell.operator.name
    (plan,) = plan_suites([path], "full", results, [f"operator={first}"])
    assert plan.cells


def test_times_are_those_of_neighbours_that_differ_in_the_seed(demo_cell) -> None:
    recipe = demo_cell().recipe
    cells = [demo_cell(seed, recipe=recipe) for seed in range(3)]
    states = [State("done", wall_s=10.0), State("stale", wall_s=20.0), State("todo")]
    costs = {network_of(cells[0]): COST}
    assert estimate_times(cells, states, costs) == [15.0, 15.0, 15.0]


def test_other_times_are_in_proportion_to_macs_images_and_epochs(demo_cell) -> None:
    recipe = demo_cell().recipe
    bigger = Cost(num_params=1, num_learnable_params=1, macs=3000, train_images=1000)
    cells = [
        demo_cell(recipe=recipe),
        demo_cell(recipe=recipe, operator=Choice("lc")),
        demo_cell(recipe=recipe, limit=Limit(250)),
        demo_cell(recipe=Recipe(epochs=4, batch_size=64, lr=0.1)),
    ]
    costs = {network_of(cells[0]): COST, network_of(cells[1]): bigger}
    states = [State("done", wall_s=8.0), *[State("todo")] * 3]
    assert estimate_times(cells, states, costs) == pytest.approx([8.0, 24.0, 2.0, 16.0])


@pytest.mark.parametrize("kind", ["failed", "running", "todo"])
def test_times_of_cells_without_a_result_teach_nothing(demo_cell, kind) -> None:
    cells = [demo_cell(0), demo_cell(1)]
    states = [State(kind, wall_s=8.0), State("todo")]
    assert estimate_times(cells, states, {network_of(cells[0]): COST}) == [None, None]


def test_what_no_neighbour_tells_is_measured_once_a_network(demo_cell, monkeypatch) -> None:
    measured = []
    speed = "kbench.speed.measure_images_per_s"
    monkeypatch.setattr(speed, lambda cell, device: measured.append((cell.seed, device)) or 50.0)
    recipe = demo_cell().recipe
    items = [
        PlannedCell(demo_cell(0, recipe=recipe), State("todo"), COST, None),
        PlannedCell(demo_cell(1, recipe=recipe), State("todo"), COST, None),
        PlannedCell(demo_cell(2, recipe=recipe, limit=Limit(100)), State("todo"), COST, None),
        PlannedCell(demo_cell(3, recipe=recipe), State("done"), COST, 3.5),
        PlannedCell(demo_cell(4, recipe=recipe), State("invalid", "x"), None, None),
    ]
    found = [item.estimate_s for item in measure_times(items, "cpu")]
    assert found == [40.0, 40.0, 4.0, 3.5, None]
    assert measured == [(0, "cpu"), (2, "cpu")]


def test_json_holds_what_a_plan_shows(demo_cell) -> None:
    item = PlannedCell(demo_cell(), State("failed", "oom: x"), COST, 2.5)
    assert item.to_json() == {
        "id": demo_cell().id,
        "suite": "demo",
        "scale": "full",
        "dataset": "digits",
        "architecture": "resnet8_cifar",
        "operator": "conv",
        "recipe": "plain",
        "seed": 0,
        "state": "failed",
        "reason": "oom: x",
        "num_params": 2**18,
        "num_learnable_params": 100,
        "macs": 1000,
        "train_images": 1000,
        "disk_mib": 1.0,
        "estimate_s": 2.5,
    }


@pytest.mark.usefixtures("own_cache")
def test_a_real_network_that_cannot_exist_is_told(write_suite, tmp_path) -> None:
    block = BLOCK | {"operator": {"name": "lc", "expansion": 0}}
    path = write_suite(grid=[block])
    with pytest.raises(SuiteError, match=r"demo\.yaml:\d+: resnet8_cifar with lc-expansion=0 on "):
        plan_suite(path, "full", tmp_path / "results")


@pytest.mark.parametrize(
    ("recipe", "images"),
    [
        ({}, 2 * 100),
        ({"epochs": 0}, 0),
        ({"held_out": 10}, 2 * 90),
        ({"steps_per_epoch": 5}, 2 * 5 * 32),
        ({"finetune": Finetune(epochs=3, size=12)}, 5 * 100),
    ],
    ids=["plain", "untrained", "held-out", "steps", "two-phases"],
)
def test_images_count_as_often_as_they_are_shown(small_cell, recipe, images) -> None:
    cost = Cost(num_params=1, num_learnable_params=1, macs=1, train_images=1437)
    assert trained_images(small_cell(recipe=recipe), cost) == images
