"""Deployment of a trained network at another resolution (FlexConv, section 3.4)."""

import copy

from torch import nn

from kbench.architectures.arguments import check_count


def transfer(model: nn.Module, source_size: int, target_size: int) -> nn.Module:
    """Return a copy of a network whose operators are rebuilt for inputs of another side.

    Parameters and buffers are those of the network, with their values; what an operator changes is
    its own matter, declared as `change_resolution`: generated kernels are sampled on the grid of
    the target's side and scaled by (source / target) ** D, which stays so in fine-tuning; Gaussian
    derivatives get sigma times target / source. An operator without the method keeps its kernel.

    Neither grid nor factor is in the state dict: to load that of the copy, build and transfer a
    network first.

    Args:
        model: The network, left as it is; in any mode, with or without a forward pass behind it.
        source_size: Side of the inputs that it was trained on, >= 1.
        target_size: Side of the inputs that it shall take, >= 1.

    Raises:
        ValueError: If a side is not a positive integer.
    """
    check_count("source_size", source_size)
    check_count("target_size", target_size)
    moved = copy.deepcopy(model)
    for module in moved.modules():
        change = getattr(module, "change_resolution", None)
        if change is not None:
            change(source_size, target_size)
    return moved
