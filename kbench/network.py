"""The network of a cell: built, folded, measured."""

import torch
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.cell import Cell
from kbench.datasets import build_dataset
from kbench.errors import UnsupportedError
from kbench.registry import OPERATORS
from kbench.work import count_macs_of

# What a network for fitting is told, which has no classes.
NO_CLASSES = 2


def build_network(cell: Cell) -> nn.Module:
    """Return the cell's network on the current default device, initialised from the global seed.

    Operators that fix the size of their map get to know it.
    """
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    network = build_architecture(
        cell.architecture.name,
        operator=cell.operator.name,
        operator_options=dict(cell.operator.options),
        num_classes=dataset.num_classes or NO_CLASSES,
        in_channels=dataset.input_shape[0],
        **cell.architecture.options,
    )
    if any(getattr(module, "fixes_map_size", False) for module in network.modules()):
        with torch.no_grad():
            network.eval()(torch.zeros(1, *find_input_shape(cell)))
        network.train()
    return network


def find_input_shape(cell: Cell) -> tuple[int, ...]:
    """Return (C, *S) of what the cell's network is evaluated on."""
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    size = cell.recipe.augmentation.final_size
    return dataset.input_shape if size is None else (dataset.input_shape[0], size, size)


def operator_version(cell: Cell) -> int:
    """Return the version of the numbers of a cell's operator."""
    return int(getattr(OPERATORS[cell.operator.name], "version", 1))


def measure_network(cell: Cell) -> dict[str, int]:
    """Return the fields of `kbench.cost.Cost` without memory or data for the network.

    Raises:
        UnsupportedError: If the operator or the network cannot exist with these arguments.
    """
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    with torch.device("meta"):
        model = build_network(cell)
        parameters = list(model.parameters())
        inputs = torch.empty(1, *find_input_shape(cell))
        with torch.no_grad():
            model.eval()(inputs)  # kernels as large as the input get to know it
        macs = count_folded_macs(model, inputs)
    return {
        "num_params": sum(p.numel() for p in parameters),
        "num_learnable_params": sum(p.numel() for p in parameters if p.requires_grad),
        "macs": macs,
        "train_images": dataset.split_sizes["train"],
    }


def count_folded_macs(model: nn.Module, inputs: Tensor) -> int:
    """Return the multiply-accumulates of inference, with every operator folded that can be.

    What counts, and how often, is told in `kbench.work.count_macs`.

    Args:
        model: In evaluation mode; its operators are replaced.
        inputs: (B, C, *S).
    """
    fold_operators(model)
    with torch.no_grad():
        return count_macs_of(lambda: model(inputs))


def fold_operators(model: nn.Module) -> nn.Module:
    """Replace every operator that is a plain convolution at inference by that convolution."""
    for name, child in model.named_children():
        fold = getattr(child, "fold", None)
        if fold is not None:
            try:
                setattr(model, name, fold())
            except UnsupportedError:
                continue
        else:
            fold_operators(child)
    return model
