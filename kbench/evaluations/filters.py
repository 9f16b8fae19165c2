"""Diversity of filters (LC, section 9.1), on the kernel that a layer applies.

Shapes: N kernels, T taps of a kernel, K kernel sides, O output channels.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kbench.evaluations.arrays import write_arrays
from kbench.evaluations.layers import Layer, spatial_kernels
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS

# Share of the sum of squares below which differences are rounding of float64 means.
ROUNDING = 1e-24
SPARSE_BELOW = 0.01


def squared_singular_values(matrix: Tensor) -> Tensor:
    """Return the squares of the singular values of an (N, T) matrix, ascending, none below 0."""
    gram = matrix.T @ matrix if matrix.shape[0] > matrix.shape[1] else matrix @ matrix.T
    return torch.linalg.eigvalsh(gram).clamp(min=0)


def filter_variance_entropy(kernels: Tensor) -> float:
    r"""Return :math:`H = -\sum_i p_i \log_{10} p_i`, :math:`p_i = s_i^2 / \sum_j s_j^2` (FVE).

    The s are the singular values of the kernels less their mean. The largest value is log10 T;
    kernels that are all alike have 0.

    Args:
        kernels: (N, *K), float64.
    """
    rows = kernels.flatten(1)
    squares = squared_singular_values(rows - rows.mean(0))
    total = squares.sum()
    if total <= ROUNDING * rows.square().sum():
        return 0.0
    shares = squares / total
    return max(0.0, float(-torch.special.xlogy(shares, shares).sum()) / math.log(10))


def random_entropy(num_kernels: int) -> float:
    r"""Return the entropy T(n) of n random 3x3 kernels.

    :math:`T(n) = L / (1 + \exp(-\kappa (\log_2 n - x_0))) + b` with the constants of CNN Filter
    DB, CVPR 2022, which exist for 3x3 only.
    """
    height, midpoint, steepness, offset = 1.2618047, 2.30436435, 0.88767525, -0.31050834
    return height / (1 + math.exp(-steepness * (math.log2(num_kernels) - midpoint))) + offset


def sparsity(kernels: Tensor, threshold: float = SPARSE_BELOW) -> float:
    """Return the share of kernels (N, *K) whose largest |w| is below a share of the layer's.

    A layer of zeros has 1.
    """
    largest = kernels.flatten(1).abs().amax(1)
    if not largest.any():
        return 1.0
    return float((largest < threshold * largest.max()).double().mean())


def orthogonality(filters: Tensor) -> float:
    """Return 1 less the mean of |cos| over the ordered pairs of different filters.

    Args:
        filters: (O, ...), O at least 2; a filter of zeros has cosine 0 with all others.
    """
    rows = filters.flatten(1)
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    rows = rows / torch.where(lengths > 0, lengths, 1.0)
    cosines = (rows @ rows.T).abs().fill_diagonal_(0)
    count = len(rows)
    return 1 - float(cosines.sum()) / (count * (count - 1))


def variance_map(layers: Sequence[Tensor]) -> Tensor:
    """Return the variance (*K) over all kernels of layers (N, *K), each scaled to deviation 1.

    Deviation and variance are the population's. A constant layer, which has no scale, is left out.
    """
    scaled = [layer / layer.std(correction=0) for layer in layers if layer.std(correction=0) > 0]
    if not scaled:
        return torch.zeros_like(layers[0][0])
    return torch.cat(scaled).var(0, correction=0)


def filter_rank(filters: Tensor) -> int:
    """Return the rank of the filters (N, ...) as rows, at float32 precision."""
    squares = squared_singular_values(filters.flatten(1).double())
    tolerance = max(filters.flatten(1).shape) * torch.finfo(torch.float32).eps
    return int((squares > squares[-1] * tolerance**2).sum())


def spanning_expansion(kernel: Tensor) -> int:
    """Return the smallest E with E O filters that can span all kernels (O, I, *K): I T / O."""
    return math.ceil(kernel[0].numel() / len(kernel))


@EVALUATIONS.register("filters")
def filters(network: Evaluated) -> Iterator[tuple[str, float]]:
    """Diversity of the spatial filters of every layer, of the first and of the last.

    Maps of the variance over all kernels of a size are written to `variance_map.npz`. Layers
    that apply no single kernel are left out.
    """
    found: list[tuple[Layer, dict[str, float]]] = []
    stacks: defaultdict[tuple[int, ...], list[Tensor]] = defaultdict(list)
    for layer, kernels in spatial_kernels(network):
        stacks[tuple(kernels.shape[1:])].append(kernels)
        found.append((layer, _describe(layer, kernels)))
    for layer, values in found:
        yield from ((f"{name}.{layer.name}", value) for name, value in values.items())
    if found:
        for place, (_, values) in (("first", found[0]), ("last", found[-1])):
            yield from ((f"{name}.{place}", value) for name, value in values.items())
    maps = {"x".join(map(str, sides)): variance_map(stack) for sides, stack in stacks.items()}
    write_arrays(network.directory / "variance_map.npz", maps)


def _describe(layer: Layer, kernels: Tensor) -> dict[str, float]:
    """Return the metrics of one layer."""
    entropy = filter_variance_entropy(kernels)
    values = {"fve": entropy, "sparsity": sparsity(kernels)}
    if kernels.shape[1:] == (3, 3) and len(kernels) > 1:
        values["fve_normalised"] = entropy / random_entropy(len(kernels))
    kernel = layer.kernel()
    if kernel is not None and len(kernel) > 1:
        values["orthogonality"] = orthogonality(kernel)
    if kernel is not None and hasattr(layer.module, "spatial_filters"):
        with torch.no_grad():
            values["filter_rank"] = filter_rank(layer.module.spatial_filters())
        values["spanning_expansion"] = spanning_expansion(kernel)
    return values
