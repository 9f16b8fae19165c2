"""Host copies of one number per layer, read from the device together.

A layer whose kernel size depends on a learned number needs that number on the host, and each read
makes the host wait for the device. The layers of a network therefore share one `HostCopies`: the
first of them that finds its copy outdated reads the numbers of all in a single copy, so a training
step waits once, whatever the number of layers.
"""

import torch
from torch import Tensor, nn

Stamp = tuple[int, int]


class HostCopies:
    """Numbers of several parameters of one element, as floats on the host.

    A copy is outdated when the parameter has been written or replaced since it was read. A copy of
    a parameter that is being trained serves one forward pass only, which also covers optimisers
    whose writes torch does not count. Numbers that lie on the host are read directly.
    """

    def __init__(self) -> None:
        self._parameters: list[nn.Parameter] = []
        self._stamps: list[Stamp | None] = []
        self._values: list[float] = []

    def add(self, parameter: nn.Parameter) -> int:
        """Enter a parameter of one element and return its slot."""
        self._parameters.append(parameter)
        self._stamps.append(None)
        self._values.append(0.0)
        return len(self._parameters) - 1

    def read(self, slot: int, tensor: Tensor) -> float:
        """Return the number of a slot.

        Args:
            slot: What `add` returned.
            tensor: The parameter as its layer holds it now, since a module may have replaced it.
        """
        if lies_on_host(tensor) or not isinstance(tensor, nn.Parameter):
            return float(tensor.detach())
        self._parameters[slot] = tensor
        stamp = stamp_of(tensor)
        if stamp is None or self._stamps[slot] != stamp:
            self._read_all(tensor.device)
        if torch.is_grad_enabled() and tensor.requires_grad:
            self._stamps[slot] = None
        return self._values[slot]

    def _read_all(self, device: torch.device) -> None:
        slots = [slot for slot, p in enumerate(self._parameters) if p.device == device]
        parameters = [self._parameters[slot] for slot in slots]
        values = torch.cat([parameter.detach().reshape(1) for parameter in parameters]).tolist()
        for slot, parameter, value in zip(slots, parameters, values, strict=True):
            self._stamps[slot] = stamp_of(parameter)
            self._values[slot] = value


def lies_on_host(tensor: Tensor) -> bool:
    """Return whether reading the tensor waits for no device."""
    return tensor.device.type == "cpu"


def stamp_of(tensor: Tensor) -> Stamp | None:
    """Return what changes when a tensor is written or moved, or None where torch keeps no count."""
    if tensor.is_inference() or not isinstance(tensor, nn.Parameter):
        return None
    return (tensor.data_ptr(), tensor._version)  # noqa: SLF001 - torch has no public name for a tensor's version
