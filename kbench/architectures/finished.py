"""Changes to a finished network of torchvision before operators are put in."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from kbench.architectures.arguments import check_sides

Draw = Callable[[Tensor], object]


def change_convolution(
    model: nn.Module, name: str, draw: Draw | None = None, **changes: object
) -> None:
    """Replace a convolution by one of other arguments; nothing happens if all are as they were.

    Args:
        model: The network, changed in place.
        name: Dotted name of a `torch.nn.Conv2d`.
        draw: Fills the weight of the new convolution, whose bias becomes zero; None leaves both as
            torch makes them.
        changes: Arguments of `torch.nn.Conv2d` and their new values.
    """
    old = model.get_submodule(name)
    keys = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    arguments = {key: getattr(old, key) for key in keys}
    if arguments | changes == arguments:
        return
    new = nn.Conv2d(**(arguments | changes), bias=old.bias is not None)
    if draw is not None:
        draw(new.weight)
        if new.bias is not None:
            nn.init.zeros_(new.bias)
    model.set_submodule(name, new)


def start_as_torch(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network whose layers start as torch makes them, whatever its own start is.

    Args:
        build: Makes the network. It is called for the meta device, so that its own start costs
            nothing; parameters and buffers that are not of torch's layers are left empty.
    """
    device = torch.get_default_device()
    with torch.device("meta"):
        model = build()
    model.to_empty(device=device)
    for module in model.modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    return model


def require_sides(model: nn.Module, least: int, reason: str) -> None:
    """Make a network refuse inputs (B, C, H, W) with sides below `least`, giving the reason."""
    model.register_forward_pre_hook(partial(_check_sides, least=least, reason=reason))


def _check_sides(_: nn.Module, inputs: tuple[Tensor, ...], *, least: int, reason: str) -> None:
    check_sides(inputs[0], least, reason)
