"""Where the mass of the kernels lies, and how few patterns make them (NIFF, section 9).

Shapes: M kernels of a stage, K kernel sides, T taps, C components.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.evaluations.arrays import write_arrays
from kbench.evaluations.layers import find_layers
from kbench.evaluations.network import Evaluated
from kbench.registry import EVALUATIONS

MASS_INSIDE = 0.9


@dataclass(frozen=True)
class Stage:
    """Layers of one list of blocks whose maps have the same side.

    Attributes:
        name: Path of the list; with the maps' side behind it where the list has several.
        kernels: (M, *K) for every layer, offset 0 at K // 2.
        rank_bound: Most dimensions that the kernels of all layers can span, where they declare it.
    """

    name: str
    kernels: list[Tensor]
    rank_bound: int | None


class Member(NamedTuple):
    """A layer of a stage: the number of its block, its kernels and their largest rank."""

    block: int
    kernels: Tensor
    rank_bound: int | None


def mass_ratios(kernels: Tensor, *, notebook_parity: bool = False) -> Tensor:
    """Return the share of sum |k| in a centred window of side s = 1, 3, ..., 2 (n // 2) + 1.

    The window holds the taps with |index - n // 2| <= (s - 1) / 2 on every axis, clipped.

    Args:
        kernels: (M, *K) of equal sides n, offset 0 at n // 2.
        notebook_parity: Use the windows [n // 2 - i, n // 2 + i) of the authors' notebook, which
            plots them at s = 2 i + 1 and its last point as 1.

    Returns:
        (M, n // 2 + 1); a kernel of zeros has NaN.
    """
    distance = _distances(tuple(kernels.shape[1:]), notebook_parity=notebook_parity)
    half = max(kernels.shape[1:]) // 2
    rings = F.one_hot(distance.flatten(), max(int(distance.max()), half) + 1).to(kernels)
    mass = kernels.abs().flatten(1) @ rings.to(kernels.device)  # (M, rings)
    ratios = (mass.cumsum(1) / mass.sum(1, keepdim=True))[:, : half + 1]
    if notebook_parity:
        ratios[:, -1] = 1
    return ratios


def effective_kernel_size(curve: Tensor, side: int) -> int:
    """Return the smallest odd s whose mean mass ratio is at least 0.9, but at most the side.

    Args:
        curve: Mean mass ratio at s = 1, 3, ....
        side: n, of the kernels.
    """
    return min(2 * int((curve < MASS_INSIDE).sum()) + 1, side)


def principal_components(kernels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return explained variance ratios s_i^2 / sum s^2 and components of kernels as samples.

    Args:
        kernels: (M, *K), a sample each; their mean is taken off.
        count: C.

    Returns:
        (C,), descending, zero where there are fewer; and (C, *K), each of length 1 or zero.
    """
    rows = kernels.flatten(1)
    rows = rows - rows.mean(0)
    is_tall = rows.shape[0] > rows.shape[1]
    squares, vectors = torch.linalg.eigh(rows.T @ rows if is_tall else rows @ rows.T)
    squares, vectors = squares.clamp(min=0).flip(0)[:count], vectors.flip(1)[:, :count]
    components = vectors.T if is_tall else F.normalize(vectors.T @ rows, dim=1)
    missing = count - len(squares)
    total = rows.square().sum()
    ratios = squares / total if total > 0 else torch.zeros_like(squares)
    components = F.pad(components, (0, 0, 0, missing)).view(count, *kernels.shape[1:])
    return F.pad(ratios, (0, missing)), components


def find_stages(
    network: Evaluated,
    *,
    grid_scale: int = 1,
    skip_first_block: bool = True,
    notebook_parity: bool = False,
) -> list[Stage]:
    """Return the stages of a network, in the order in which an image meets them.

    Args:
        network: What is evaluated.
        grid_scale: Factor of the map sides at which kernels that depend on them are taken.
        skip_first_block: Leave out the first block of a stage that has several.
        notebook_parity: Take such kernels at the sides of what enters the stage instead of at those
            that the layer sees: 56, 56, 28 and 14 in ResNet-50, whose stages 2 to 4 work at half
            that.
    """
    found = [(layer.block, layer) for layer in find_layers(network) if layer.block is not None]
    entered: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = {}
    for (path, _), layer in found:
        largest = entered.get((path, layer.out_sides), layer.in_sides)
        entered[path, layer.out_sides] = max(largest, layer.in_sides)
    groups: defaultdict[tuple[str, tuple[int, ...]], list[Member]] = defaultdict(list)
    for (path, number), layer in found:
        sides = entered[path, layer.out_sides] if notebook_parity else layer.in_sides
        kernels = layer.kernels(tuple(grid_scale * side for side in sides))
        if kernels is not None and kernels[0].numel() > 1:
            bound = getattr(layer.module, "rank_bound", None)
            groups[path, layer.out_sides].append(Member(number, kernels, bound))
    paths = [path for path, _ in groups]
    stages = []
    for (path, sides), members in groups.items():
        name = path if paths.count(path) == 1 else f"{path}.{'x'.join(map(str, sides))}px"
        stages.append(_stage(name, members, skip_first_block=skip_first_block))
    return stages


@EVALUATIONS.register("kernels")
def kernels(
    network: Evaluated,
    *,
    components: int = 7,
    grid_scale: int = 1,
    skip_first_block: bool = True,
    notebook_parity: bool = False,
) -> Iterator[tuple[str, float]]:
    """Mass ratios, effective size and principal components of the kernels of every stage.

    The curves' means and deviations over the kernels and the components are written to
    `kernels.npz`. Where the kernels of a stage differ in size, smaller ones are inside of larger
    windows, and have zeros around them for the components. `notebook_parity` takes windows and
    sides of the authors' notebooks, as `mass_ratios` and `find_stages` say.
    """
    arrays: dict[str, Tensor] = {}
    stages = find_stages(
        network,
        grid_scale=grid_scale,
        skip_first_block=skip_first_block,
        notebook_parity=notebook_parity,
    )
    for stage in stages:
        side = max(max(kernel.shape[1:]) for kernel in stage.kernels)
        ratios = _joined_ratios(stage.kernels, side, notebook_parity=notebook_parity)
        if not len(ratios):
            continue
        curve = ratios.mean(0)
        shares, patterns = principal_components(_joined(stage.kernels, side), components)
        for index, value in enumerate(curve.tolist()):
            yield f"mass_ratio.{stage.name}.s{2 * index + 1}", value
        yield f"effective_kernel_size.{stage.name}", effective_kernel_size(curve, side)
        for index, value in enumerate(shares.tolist()):
            yield f"pca_ratio.{stage.name}.v{index}", value
        if stage.rank_bound is not None:
            yield f"pca_rank_bound.{stage.name}", stage.rank_bound
        deviation = ratios.std(0, correction=0)
        found = {"mass_mean": curve, "mass_std": deviation, "pca_ratios": shares}
        found |= {"pca_components": patterns}
        arrays |= {f"{stage.name}.{name}": value for name, value in found.items()}
    write_arrays(network.directory / "kernels.npz", arrays)


def _stage(name: str, members: Sequence[Member], *, skip_first_block: bool) -> Stage:
    blocks = {member.block for member in members}
    skipped = min(blocks) if skip_first_block and len(blocks) > 1 else None
    kept = [member for member in members if member.block != skipped]
    known = [member.rank_bound for member in kept if member.rank_bound is not None]
    bound = sum(known) if len(known) == len(kept) else None
    return Stage(name, [member.kernels for member in kept], bound)


def _distances(sides: Sequence[int], *, notebook_parity: bool) -> Tensor:
    """Return in which window (*K) a tap is first: the largest distance of any axis."""
    axes = []
    for side in sides:
        offsets = torch.arange(side) - side // 2
        # The windows of the notebook end one tap earlier on the positive side.
        axes.append(
            torch.where(offsets >= 0, offsets + 1, -offsets) if notebook_parity else offsets.abs()
        )
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).amax(0)


def _joined_ratios(kernels: Sequence[Tensor], side: int, *, notebook_parity: bool) -> Tensor:
    """Return the mass ratios of kernels of several sizes, without those of zeros."""
    curves = [mass_ratios(kernel, notebook_parity=notebook_parity) for kernel in kernels]
    length = side // 2 + 1
    joined = torch.cat([F.pad(curve, (0, length - curve.shape[1]), value=1.0) for curve in curves])
    return joined[joined.isfinite().all(1)]


def _joined(kernels: Sequence[Tensor], side: int) -> Tensor:
    """Return kernels of several sizes as (M, *K), smaller ones with zeros around their centre."""
    padded = []
    for kernel in kernels:
        pads = [
            amount
            for size in reversed(kernel.shape[1:])
            for before in [side // 2 - size // 2]
            for amount in (before, side - size - before)
        ]
        padded.append(F.pad(kernel, pads))
    return torch.cat(padded)
