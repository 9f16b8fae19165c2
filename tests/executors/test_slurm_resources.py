"""Resources of several sources laid over each other."""

import pytest

from kbench.errors import ExecutorError
from kbench.executors.slurm_resources import Resources, format_time, resolve_resources
from kbench.resources_file import ResourcesSpec


def spec(**keys: object) -> ResourcesSpec:
    return ResourcesSpec.model_validate(keys)


def test_nothing_said_is_the_default() -> None:
    assert resolve_resources([spec(), spec()]) == Resources()


def test_first_source_wins_key_by_key() -> None:
    above = spec(partition="a", sbatch={"exclusive": True}, setup=["second"])
    below = spec(partition="b", time="2h", sbatch={"exclusive": False, "nice": 0}, setup=["first"])
    found = resolve_resources([above, below])
    assert (found.partition, found.time) == ("a", 7200)
    assert dict(found.sbatch) == {"exclusive": True, "nice": 0}
    assert found.setup == ("first", "second")


def test_options_of_sbatch_are_those_that_are_known_and_extra_ones_replace_them() -> None:
    found = resolve_resources(
        [spec(devices=8, nodes=2, cpus=4, memory="16G", time="90m", sbatch={"mem": "0"})]
    )
    options = {key: item for key, item in found.sbatch_options().items() if item is not None}
    assert options == {
        "time": "01:30:00",
        "nodes": 2,
        "ntasks": 2,
        "gpus-per-node": 4,
        "cpus-per-task": 4,
        "mem": "0",
    }


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"devices": 3, "nodes": 2}, "devices 3, nodes 2: the GPUs of a cell are divided equally"),
        ({"time": "2m"}, "time 00:02:00, grace 00:02:00: a cell is told to save that long before"),
    ],
    ids=["GPUs", "time"],
)
def test_contradictions_are_refused(keys, message) -> None:
    with pytest.raises(ExecutorError, match=message):
        resolve_resources([spec(**keys)])


def test_time_is_written_as_slurm_does() -> None:
    assert [format_time(1), format_time(3661), format_time(360000)] == [
        "00:00:01",
        "01:01:01",
        "100:00:00",
    ]
