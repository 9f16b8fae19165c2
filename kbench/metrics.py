"""Metrics: what a number means. Free of torch, so that tables need none."""

from dataclasses import dataclass, replace
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
        Metric("top5_at_best", "percent", "max", 2, "`top5` of the epoch with the best `top1`"),
        Metric("val_top1", "percent", "max", 2, "accuracy on the validation split"),
        Metric("val_loss", "nats", "min", 4, "loss on the validation split"),
        Metric(
            "top1_at_best_val", "percent", "max", 2, "test accuracy of the best validation epoch"
        ),
        Metric("source_top1", "percent", "max", 2, "accuracy at the size of the first phase"),
        Metric("ootb_top1", "percent", "max", 2, "accuracy at the new size, before fine-tuning"),
        Metric("ootb_delta", "points", "max", 2, "what deployment at the new size changes"),
        Metric("finetuned_top1", "percent", "max", 2, "accuracy of the kept epoch of fine-tuning"),
        Metric("loss", "nats", "min", 4, "cross-entropy on the test split, without smoothing"),
        Metric(
            "train_top1", "percent", "max", 2, "accuracy on the training batches of the last epoch"
        ),
        Metric("train_loss", "nats", "min", 4, "mean training loss of the last epoch"),
        Metric("fgsm_top1", "percent", "max", 2, "accuracy under the fast gradient sign attack"),
        Metric("sigma", "", "none", 3, "learned sigma, in the operator's unit, a layer each; mean"),
        Metric("sigma_std", "", "none", 3, "deviation of a predicted sigma over the test images"),
        Metric("dead_sigma", "", "none", 2, "share of sigmas below 0.2 taps, which stay there"),
        Metric("bounds_hit", "", "none", 2, "bounds on sigma or the window that act on a layer"),
        Metric("kernel_size", "taps", "none", 1, "side of the learned window, a layer each; mean"),
        Metric("map_side", "px", "none", 0, "side of a layer's output"),
        Metric("fve", "", "none", 4, "filter variance entropy of a layer, first or last"),
        Metric("fve_normalised", "", "none", 4, "the same over that of random 3x3 filters"),
        Metric("sparsity", "", "none", 4, "share of a layer's kernels that are nearly zero"),
        Metric("orthogonality", "", "none", 4, "1 less the mean |cos| of a layer's filters"),
        Metric("filter_rank", "", "none", 0, "rank of the filters that a layer combines"),
        Metric("spanning_expansion", "", "none", 0, "expansion that reaches every kernel"),
        Metric("mass_ratio", "", "none", 4, "share of a stage's kernel mass inside of a size"),
        Metric("effective_kernel_size", "taps", "none", 0, "size with 90 % of the kernel mass"),
        Metric("pca_ratio", "", "none", 4, "variance of a stage's kernels along a component"),
        Metric("pca_rank_bound", "", "none", 0, "most components that the kernels can have"),
        Metric("high_frequency", "", "none", 4, "share of kernel energy at high frequencies"),
        Metric("erf_side", "px", "none", 0, "side with a percentage of the receptive field"),
        Metric("erf_side_log", "px", "none", 0, "the same on the field's logarithm"),
        Metric("erf_area", "", "none", 4, "share of the image inside of `erf_side`"),
        Metric("erf_area_log", "", "none", 4, "share of the image inside of `erf_side_log`"),
        Metric("erf_sd", "px", "none", 3, "deviation of the receptive field along an axis"),
        Metric("erf_input_side", "px", "none", 0, "side of the images of the receptive field"),
        Metric("forward_s", "s", "min", 5, "inference on a batch of random inputs"),
        Metric("iteration_s", "s", "min", 5, "forward and backward pass on random inputs"),
        Metric("forward_images_per_s", "1/s", "max", 0, "random inputs a second at inference"),
        Metric("iteration_images_per_s", "1/s", "max", 0, "random inputs a second in training"),
        Metric("pass_memory_mib", "MiB", "min", 1, "network, random inputs and what a pass adds"),
        Metric("pass_macs", "", "min", 0, "multiply-accumulates of an image, in training form"),
        Metric("miou", "percent", "max", 2, "mean intersection over union on the test split"),
        Metric("miou_best", "percent", "max", 2, "best `miou` over the evaluated epochs"),
        Metric("val_miou", "percent", "max", 2, "mean intersection over union, validation split"),
        Metric("miou_at_best_val", "percent", "max", 2, "`miou` of the best validation epoch"),
        Metric("pixel_top1", "percent", "max", 2, "share of test pixels with the right class"),
        Metric("mse", "", "min", 8, "mean squared error of a fitted picture"),
        Metric("mse_best", "", "min", 8, "smallest `mse` over the evaluated epochs"),
        Metric("psnr", "dB", "max", 3, "peak signal-to-noise ratio of a fitted picture"),
        Metric("psnr_best", "dB", "max", 3, "best `psnr` over the evaluated epochs"),
        Metric("least_squares_mse", "", "min", 8, "`mse` of the nearest mixture of a basis"),
        Metric("least_squares_psnr", "dB", "max", 3, "`psnr` of the nearest mixture of a basis"),
        Metric("box_ap", "percent", "max", 1, "mean average precision of boxes; not measured yet"),
        Metric("num_params", "", "min", 0, "parameters of the network"),
        Metric("num_learnable_params", "", "min", 0, "parameters that the optimiser changes"),
        Metric("macs", "", "min", 0, "multiply-accumulates of one image, as executed at inference"),
        Metric("two_stage_macs", "", "min", 0, "`macs` with both layers of LC done apart"),
        Metric("images_per_s", "1/s", "max", 0, "training images a second, first epoch left out"),
        Metric("s_per_epoch", "s", "min", 2, "training seconds of an epoch, first epoch left out"),
        Metric("train_s", "s", "min", 1, "seconds spent on training"),
        Metric("eval_s", "s", "min", 1, "seconds spent on evaluation"),
        Metric("wall_s", "s", "min", 1, "seconds from start to record, resumed parts added up"),
        Metric("peak_memory_mib", "MiB", "min", 0, "largest memory of the process, or of the GPU"),
    )
}


# What decides which epoch is the best, and stands in a line about a cell; larger is better.
TASK_METRICS = {"classification": "top1", "segmentation": "miou", "fitting": "psnr"}


def find_metric(name: str) -> Metric:
    """Return a metric by name; what follows a dot, as in `sigma.layer1.0`, says of which part.

    Raises:
        UnknownNameError: Names the nearest and all known ones.
    """
    base, _, part = name.partition(".")
    if base not in METRICS or name.endswith("."):
        raise UnknownNameError(unknown("metric", name, METRICS))
    return replace(METRICS[base], name=name) if part else METRICS[base]
