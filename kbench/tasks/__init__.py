"""Tasks: what the loss is, and what an evaluation of the outputs means.

A task is a class `(dataset: Dataset, recipe: Recipe)` in a file of its own that satisfies `Task`; a
new one is a file and a line in `TASKS`.
"""

from kbench.datasets.dataset import Dataset
from kbench.errors import SuiteError
from kbench.recipe import Recipe
from kbench.tasks.classification import Classification
from kbench.tasks.fitting import Fitting
from kbench.tasks.segmentation import Segmentation
from kbench.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "fitting": Fitting,
    "segmentation": Segmentation,
}


def build_task(name: str, dataset: Dataset, recipe: Recipe) -> Task:
    """Return the task of a cell.

    Raises:
        SuiteError: If the dataset is for another task.
    """
    if dataset.task != name:
        message = f"dataset {dataset.name!r} is for task {dataset.task!r}, not {name!r}"
        raise SuiteError([message])
    return TASKS[name](dataset, recipe)
