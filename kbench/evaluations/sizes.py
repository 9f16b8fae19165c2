"""Sizes that layers learn: sigma, kernel size, side of the map.

What a layer reports is declared by its operator: `quantities` or `quantities_of`.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from kbench.evaluations.layers import evaluating, find_layers, first_image, hooked
from kbench.evaluations.network import Evaluated, every_epoch
from kbench.network import count_folded_macs
from kbench.registry import EVALUATIONS


@EVALUATIONS.register("sizes")
@every_epoch
def sizes(network: Evaluated) -> Iterator[tuple[str, float]]:
    """What every layer has learned beside weights, the side of its output, and their means.

    A quantity with a value per axis is reported as their mean and as `axis0`, `axis1`. The side of
    a map is the longer one; layers that report nothing are left out. Where any reports, so are the
    multiply-accumulates of the network with these sizes, for one image.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    image = first_image(network)
    for layer in find_layers(network, image):
        quantities: Mapping[str, tuple[float, ...]] = getattr(layer.module, "quantities", dict)()
        for name, values in quantities.items():
            found[name].append(fmean(values))
            yield f"{name}.{layer.name}", found[name][-1]
            if len(values) > 1:
                for axis, value in enumerate(values):
                    yield f"{name}.{layer.name}.axis{axis}", value
        if quantities:
            yield f"map_side.{layer.name}", max(layer.out_sides)
    yield from ((name, fmean(values)) for name, values in found.items())
    if found:
        yield "macs", count_folded_macs(copy.deepcopy(network.model).eval(), image)


@EVALUATIONS.register("predicted_sizes")
def predicted_sizes(network: Evaluated) -> Iterator[tuple[str, float]]:
    """Mean and deviation over the test images of what layers predict from their input.

    Both are taken over images and channels; the deviation is the population's (GMConv, 9.1).
    """
    found: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    layers = {
        module: name
        for name, module in network.model.named_modules()
        if hasattr(module, "quantities_of")
    }

    def watch(module: Any, inputs: tuple[Tensor, ...], _output: Tensor) -> None:  # noqa: ANN401
        for name, values in module.quantities_of(inputs[0]).items():
            found[name, layers[module]].append(values)

    with hooked(list(layers), watch), evaluating(network.model), torch.no_grad():
        for batch in network.loader.batches(0):
            network.model(batch.inputs)
    means: defaultdict[str, list[float]] = defaultdict(list)
    for (name, layer), parts in found.items():
        values = torch.cat(parts).double()
        means[name].append(float(values.mean()))
        yield f"{name}.{layer}", means[name][-1]
        yield f"{name}_std.{layer}", float(values.std(correction=0))
    yield from ((name, fmean(values)) for name, values in means.items())
