"""Metrics: what a number means. Free of torch, so that tables need none."""

from dataclasses import dataclass
from typing import Literal

from kbench.errors import UnknownNameError, unknown

Direction = Literal["max", "min", "none"]


@dataclass(frozen=True)
class Metric:
    """Meaning of a measured number.

    Attributes:
        name: Key in records, suites and tables.
        unit: Unit of the value; empty for a plain count.
        direction: Which way is better; `none` where neither is.
        decimals: Digits behind the point in tables.
        summary: One line for `kbench list metrics`.
    """

    name: str
    unit: str
    direction: Direction
    decimals: int
    summary: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric("top1", "percent", "max", 2, "accuracy on the test split after the last epoch"),
        Metric("top5", "percent", "max", 2, "share of test images with the class among the best 5"),
        Metric("top1_best", "percent", "max", 2, "best test accuracy over the evaluated epochs"),
        Metric("loss", "nats", "min", 4, "cross-entropy on the test split, without smoothing"),
        Metric(
            "train_top1", "percent", "max", 2, "accuracy on the training batches of the last epoch"
        ),
        Metric("train_loss", "nats", "min", 4, "mean training loss of the last epoch"),
        Metric("fgsm_top1", "percent", "max", 2, "accuracy under the fast gradient sign attack"),
        Metric("num_params", "", "min", 0, "parameters of the network"),
        Metric("num_learnable_params", "", "min", 0, "parameters that the optimiser changes"),
        Metric("macs", "", "min", 0, "multiply-accumulates of one image, as executed at inference"),
        Metric("images_per_s", "1/s", "max", 0, "training images a second, first epoch left out"),
        Metric("s_per_epoch", "s", "min", 2, "training seconds of an epoch, first epoch left out"),
        Metric("train_s", "s", "min", 1, "seconds spent on training"),
        Metric("eval_s", "s", "min", 1, "seconds spent on evaluation"),
        Metric("wall_s", "s", "min", 1, "seconds from start to record, resumed parts added up"),
        Metric("peak_memory_mib", "MiB", "min", 0, "largest memory of the process, or of the GPU"),
    )
}


def find_metric(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        UnknownNameError: Names the nearest and all known ones.
    """
    if name not in METRICS:
        raise UnknownNameError(unknown("metric", name, METRICS))
    return METRICS[name]
