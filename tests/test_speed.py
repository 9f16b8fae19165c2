import pytest

from kbench import speed
from kbench.cell import Limit
from kbench.plan import PlannedCell, measure_times
from kbench.state import State


@pytest.fixture(autouse=True)
def short_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no longer than the least number of steps takes."""
    monkeypatch.setattr(speed, "LEAST_S", 0.0)


def test_a_cell_trains_at_some_speed(demo_cell) -> None:
    assert speed.measure_images_per_s(demo_cell(), "cpu") > 0


def test_plan_is_completed_in_proportion_to_images_and_epochs(demo_cell, monkeypatch) -> None:
    from kbench.cost import find_cost

    monkeypatch.setattr(speed, "measure_images_per_s", lambda *_: 32.0)
    cell = demo_cell(limit=Limit(train=128))
    planned = [PlannedCell(cell, State("todo"), find_cost(cell), None)]
    # 128 images x 2 epochs at 32 images a second.
    assert [item.estimate_s for item in measure_times(planned, "cpu")] == [8.0]


def test_known_estimates_and_invalid_cells_are_left_alone(demo_cell) -> None:
    cell = demo_cell()
    planned = [
        PlannedCell(cell, State("invalid", "no such form"), None, None),
        PlannedCell(cell, State("todo"), None, 3.0),
    ]
    assert measure_times(planned, "cpu") == planned
