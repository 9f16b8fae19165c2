"""How fast a cell trains here, from a few steps on random images."""

import time

import torch

from kbench.cell import Cell
from kbench.datasets import build_dataset
from kbench.loaders.batch import Batch
from kbench.network import build_network, find_input_shape
from kbench.tasks import build_task
from kbench.train import Training

LEAST_S = 1.0
LEAST_STEPS = 2


def measure_images_per_s(cell: Cell, device: str) -> float:
    """Return training images a second, after a step to warm up, over at least a second.

    Evaluation, loading and the first step are left out, so a whole run takes somewhat longer.
    """
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    place = torch.device(device)
    size = min(cell.recipe.batch_size, cell.limit.train or cell.recipe.batch_size)
    task = build_task(cell.task, dataset, cell.recipe)
    inputs = torch.randn(size, *find_input_shape(cell), device=place)
    batch = Batch(inputs, task.random_targets(inputs))
    model = build_network(cell).to(place)
    training = Training(model.train(), task, steps_per_epoch=1, device=place)
    training.take_step(batch)
    float(training.totals.loss)
    steps, begun = 0, time.perf_counter()
    while steps < LEAST_STEPS or time.perf_counter() - begun < LEAST_S:
        training.take_step(batch)
        float(training.totals.loss)
        steps += 1
    return steps * size / (time.perf_counter() - begun)
