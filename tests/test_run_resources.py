"""Resources of cells, from a command line, a suite and its scale, and the site."""

import pytest

from kbench.errors import ExecutorError, SuiteError
from kbench.plan import plan_suite
from kbench.run_options import RunOptions
from kbench.run_resources import group_cells, parse_given

SUITE = {
    "seeds": [0, 1],
    "resources": {"partition": "suite", "cpus": 2, "setup": ["suite"]},
    "time_limit": "3h",
    "scales": {"smoke": {"resources": {"partition": "scale", "time": "10m"}}},
}


@pytest.fixture
def group(tmp_path, monkeypatch, write_suite, own_cache):  # noqa: ARG001 - costs are kept there
    """Return a function that groups the cells of some scales of a suite."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KBENCH_SITE", str(tmp_path / "site.yaml"))
    site = "partition: site\naccount: ours\nsetup: [site]\n"
    (tmp_path / "site.yaml").write_text(site)
    path = write_suite(**SUITE)

    def group(*scales: str, **options: object):
        plans = [plan_suite(path, scale, tmp_path / "results") for scale in scales]
        cells = [item.cell for plan in plans for item in plan.cells]
        return group_cells(plans, cells, RunOptions(tmp_path / "results", **options))

    return group


def test_scale_goes_before_suite_and_that_before_the_site(group) -> None:
    ((full, cells),) = group("full")
    assert (full.partition, full.account, full.cpus, full.time) == ("suite", "ours", 2, None)
    assert full.setup == ("site", "suite")
    assert [cell.seed for cell in cells] == [0, 1]
    ((smoke, _),) = group("smoke")
    assert (smoke.partition, smoke.account, smoke.cpus, smoke.time) == ("scale", "ours", 2, 600)


GRID = {"dataset": "digits", "architecture": {"name": "resnet8_cifar", "width": 4}}


@pytest.fixture
def group_blocks(tmp_path, monkeypatch, write_suite, own_cache):  # noqa: ARG001 - costs are kept there
    """Return a function that groups the cells of a suite whose second block has resources."""
    monkeypatch.chdir(tmp_path)
    second = {"operator": ["conv", "separable"], "resources": {"devices": 8, "setup": ["block"]}}
    path = write_suite(
        grid=[GRID | {"operator": "conv"}, GRID | second],
        seeds=[0, 1],
        resources={"devices": 1, "cpus": 2, "setup": ["suite"]},
        scales={"smoke": {"resources": {"devices": 2}}},
    )

    def group(scale: str, **options: object):
        plan = plan_suite(path, scale, tmp_path / "results")
        cells = [item.cell for item in plan.cells]
        return group_cells([plan], cells, RunOptions(tmp_path / "results", **options))

    return group


def test_a_block_goes_before_the_suite_and_a_cell_is_of_its_first_block(group_blocks) -> None:
    (plain, cells), (large, others) = group_blocks("full")
    assert (plain.devices, plain.cpus, plain.setup) == (1, 2, ("suite",))
    assert (large.devices, large.cpus, large.setup) == (8, 2, ("suite", "block"))
    assert {cell.operator.name for cell in cells} == {"conv"}
    assert {cell.operator.name for cell in others} == {"separable"}


def test_scale_and_command_line_go_before_a_block(group_blocks) -> None:
    assert [found.devices for found, _ in group_blocks("smoke")] == [2, 2]
    assert [found.devices for found, _ in group_blocks("full", resources={"devices": 4})] == [4, 4]


def test_the_command_line_goes_first(group) -> None:
    ((found, _),) = group("smoke", resources={"partition": "mine", "cpus": 8})
    assert (found.partition, found.cpus, found.time) == ("mine", 8, 600)


def test_cells_of_equal_resources_are_one_group(group) -> None:
    assert [len(cells) for _, cells in group("full", "smoke")] == [2, 2]
    same = {"partition": "mine", "time": 3600}
    ((_, cells),) = group("full", "smoke", resources=same)
    assert [(cell.scale, cell.seed) for cell in cells] == [
        ("full", 0),
        ("full", 1),
        ("smoke", 0),
        ("smoke", 1),
    ]


@pytest.mark.parametrize(("given", "limit"), [(None, 10800), (60, 60)], ids=["suite", "given"])
def test_the_time_limit_is_the_suites_unless_given(group, given, limit) -> None:
    ((found, _),) = group("full", time_limit_s=given)
    assert found.time_limit == limit


def test_sources_that_contradict_each_other_are_refused(group) -> None:
    with pytest.raises(ExecutorError, match=r"time 00:10:00, grace 00:15:00"):
        group("smoke", resources={"grace": 900})


def test_everything_wrong_on_the_command_line_is_told() -> None:
    with pytest.raises(SuiteError, match=r"command line: memory: ") as error:
        parse_given({"memory": "16 GB", "sbatch": {"array": "1"}})
    assert len(error.value.findings) == 2
