"""Exchange of chosen convolutions of a finished network by an operator."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kbench.architectures.selection import Site, Stages, find_sites, select_sites
from kbench.errors import UnsupportedError
from kbench.operators.geometry import PLAIN_MODULES, Geometry, Padding, Size


@dataclass(frozen=True)
class Replaced:
    """One exchange.

    Attributes:
        name: Dotted name of the module.
        arguments: Arguments of the plain convolution, by torch's names.
        module: What stands in its place.
        is_copied: Whether the new module has the plain one's weight (and bias).
    """

    name: str
    arguments: dict[str, Any]
    module: nn.Module
    is_copied: bool


def replace_convolutions(
    model: nn.Module,
    conv: Callable[..., nn.Module],
    where: str = "all",
    stages: Stages | None = None,
) -> list[Replaced]:
    """Replace plain convolutions of a network in place, in the order of registration.

    The operator gets the arguments of the convolution: channels, kernel, stride, padding, dilation,
    groups, bias, and `padding_mode` if that is not zeros. Names and order of the modules stay, so
    do device, type and mode. An operator that has a parameter `weight` of the same shape gets the
    plain weight, and with it the plain bias, so that operators of one seed start from the same
    numbers (GMConv, section 5.1); another operator keeps its own start. The global random state is
    afterwards what it was before, for the same reason.

    Args:
        model: Any network; changed in place. Its convolutions are the modules that are exactly
            `torch.nn.Conv2d`; one that is registered under several names is replaced under all.
        conv: Makes the operator: a `ConvFactory`, or `functools.partial(construct_operator, name)`
            followed by `finish_operators` on the modules that are returned, as in the example.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        stages: Names of the modules that make stage 0, 1, ...; what lies in them belongs to it.

    Returns:
        What was replaced, in order.

    Raises:
        ValueError: If `where` is no selection or selects nothing, the candidates being listed; or
            an option of the operator is out of range, the layer being named.
        UnsupportedError: If the operator cannot take a layer's arguments, the layer being named.

    Example:
        >>> from functools import partial
        >>> from kbench.operators import construct_operator, finish_operators
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        >>> replaced = replace_convolutions(network, partial(construct_operator, "lc"))
        >>> finish_operators([item.module for item in replaced])
        >>> [item.name for item in replaced]
        ['2']
    """
    selected = select_sites(where, find_sites(model, stages))
    if selected[0].name == "":
        message = "model is itself a convolution; it must be part of a network to be replaced"
        raise ValueError(message)
    places = _places(model)
    replaced = []
    with _random_state_kept(selected[0].module.weight.device):
        for site in selected:
            new, arguments = _build(conv, site)
            copied = _copy(site.module, new)
            for parent, name in places[id(site.module)]:
                setattr(parent, name, new)
            replaced.append(Replaced(site.name, arguments, new, copied))
    return replaced


def plain_convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: Size | str,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    bias: bool = True,
    dims: int = 2,
) -> nn.Module:
    """Return a convolution of torch, a `ConvFactory` for what `replace_convolutions` gets.

    Raises:
        ValueError: If an argument is out of range.
    """
    geometry = Geometry.of(
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, dims=dims
    )
    sizes = (in_channels, out_channels, geometry.kernel_size, stride, padding, dilation, groups)
    return PLAIN_MODULES[dims](*sizes, bias)


def _places(model: nn.Module) -> dict[int, list[tuple[nn.Module, str]]]:
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    for parent in model.modules():
        for name, child in parent._modules.items():  # noqa: SLF001 - named_children drops doubles
            places.setdefault(id(child), []).append((parent, name))
    return places


@contextmanager
def _random_state_kept(device: torch.device) -> Iterator[None]:
    is_accelerator = device.type not in ("cpu", "meta")
    devices = [device] if is_accelerator else []
    kind = device.type if is_accelerator else "cuda"
    with torch.random.fork_rng(devices, device_type=kind):
        yield


def _build(conv: Callable[..., nn.Module], site: Site) -> tuple[nn.Module, dict[str, Any]]:
    old = site.module
    arguments: dict[str, Any] = {
        name: getattr(old, name) for name in ("stride", "padding", "dilation", "groups")
    }
    arguments["bias"] = old.bias is not None
    sizes = {name: getattr(old, name) for name in ("in_channels", "out_channels", "kernel_size")}
    whole = {**sizes, **arguments, "padding_mode": old.padding_mode}
    if old.padding_mode != "zeros":
        _check_takes_padding_mode(conv, site)
        arguments["padding_mode"] = old.padding_mode
    with torch.device(old.weight.device):
        new = _call(conv, site.name, *sizes.values(), **arguments)
    return new.to(old.weight.dtype).train(old.training), whole


def _call(conv: Callable[..., nn.Module], name: str, *sizes: Any, **arguments: Any) -> nn.Module:  # noqa: ANN401
    try:
        return conv(*sizes, **arguments)
    except UnsupportedError as error:
        message = f"layer {name!r}: {error}"
        raise UnsupportedError(message) from error
    except ValueError as error:
        message = f"layer {name!r}: {error}"
        raise ValueError(message) from error


def _check_takes_padding_mode(conv: Callable[..., nn.Module], site: Site) -> None:
    parameters = inspect.signature(conv).parameters
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not is_open and "padding_mode" not in parameters:
        message = (
            f"layer {site.name!r}: padding_mode (={site.module.padding_mode!r}) cannot be handed "
            "to the operator"
        )
        raise UnsupportedError(message)


def _copy(old: nn.Conv2d, new: nn.Module) -> bool:
    own = dict(new.named_parameters(recurse=False))
    weight, bias = own.get("weight"), own.get("bias")
    if weight is None or weight.shape != old.weight.shape:
        return False
    with torch.no_grad():
        weight.copy_(old.weight)
        if bias is not None and old.bias is not None:
            bias.copy_(old.bias)
    return True
