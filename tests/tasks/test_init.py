"""Tasks by name."""

from kbench.metrics import TASK_METRICS
from kbench.tasks import TASKS


def test_lines_about_cells_show_what_decides_the_best_epoch() -> None:
    assert {name: task.metric for name, task in TASKS.items()} == TASK_METRICS
