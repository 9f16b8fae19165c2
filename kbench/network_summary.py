"""What a network consists of: its layers with their outputs and parameters."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kbench.cell import Cell
from kbench.datasets import build_dataset
from kbench.formats import format_table
from kbench.network import build_network
from kbench.registry import OPERATORS, OPERATORS_1D


@dataclass(frozen=True)
class Layer:
    """A module that computes something by itself.

    Attributes:
        name: Dotted name in the network; empty for the network itself.
        kind: Name of an operator, or of the module's class.
        shape: Sides of its first output without the batch; None if it has no output of its own.
        num_params: Parameters that no layer before has.
        num_learnable_params: Those of them that the optimiser changes.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    num_params: int
    num_learnable_params: int


def summarise_network(cell: Cell) -> list[Layer]:
    """Return the layers of a cell's network in the order of their registration, for one image.

    A layer is an operator with all that it holds, a module without children, or a module with
    parameters beside those of its children. No memory is used.

    Raises:
        UnsupportedError: If the operator or the network cannot exist with these arguments.
    """
    dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
    with torch.device("meta"):
        network = build_network(cell).eval()
        parts = list(_parts(network, "", _operator_names()))
        shapes = _record_shapes(network, [module for _, module, _ in parts], dataset.input_shape)
    layers = []
    seen: set[int] = set()
    for name, module, operator in parts:
        parameters = list(module.parameters(recurse=operator is not None))
        fresh = {id(p): p for p in parameters if id(p) not in seen}
        seen |= set(fresh)
        counts = [(p.numel(), p.requires_grad) for p in fresh.values()]
        layers.append(
            Layer(
                name,
                operator or type(module).__name__,
                shapes.get(id(module)),
                sum(size for size, _ in counts),
                sum(size for size, learns in counts if learns),
            )
        )
    return layers


def format_summary(layers: list[Layer]) -> str:
    """Return a line for every layer, and the sums."""
    rows = [
        (
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.shape)) if layer.shape is not None else "-",
            f"{layer.num_params:,}",
            f"{layer.num_learnable_params:,}",
        )
        for layer in layers
    ]
    total = sum(layer.num_params for layer in layers)
    learnable = sum(layer.num_learnable_params for layer in layers)
    rows.append(("total", "", "", f"{total:,}", f"{learnable:,}"))
    return format_table(("layer", "operator or class", "output", "params", "learnable"), rows)


def _operator_names() -> dict[object, str]:
    return {kind: name for table in (OPERATORS_1D, OPERATORS) for name, kind in table.items()}


def _parts(
    module: nn.Module, name: str, operators: dict[object, str]
) -> Iterator[tuple[str, nn.Module, str | None]]:
    """Yield name, module and operator of every layer."""
    operator = operators.get(type(module))
    children = dict(module.named_children())
    has_own = next(module.parameters(recurse=False), None) is not None
    if operator is not None or not children or has_own:
        yield name, module, operator
    if operator is None:
        for key, child in children.items():
            yield from _parts(child, f"{name}.{key}" if name else key, operators)


def _record_shapes(
    network: nn.Module, modules: list[nn.Module], input_shape: tuple[int, ...]
) -> dict[int, tuple[int, ...]]:
    """Return the shape of the first output of modules, by id, without the batch."""
    shapes: dict[int, tuple[int, ...]] = {}

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor):
            shapes.setdefault(id(module), tuple(output.shape[1:]))

    handles = [module.register_forward_hook(note) for module in modules]
    with torch.no_grad():
        network(torch.empty(1, *input_shape))
    for handle in handles:
        handle.remove()
    return shapes
