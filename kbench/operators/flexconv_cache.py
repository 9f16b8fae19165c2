"""What FlexConv keeps from one forward to the next: masks on the host, kernels in evaluation.

The number of kept taps decides shapes, so the host has to know the mask. On an accelerator each
such look waits for the device: `MaskReader` makes it one look a training step for all layers of a
network instead of one a layer, axis and forward as in the official code.

A parameter counts as changed when its version, storage or identity did, as optimisers,
`load_state_dict` and moves do. Torch counts no writes of fused optimisers and none through `.data`:
a mask that is being trained is therefore read anew in every forward, and a change of mode forgets
the kernels of the last evaluation.
"""

from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, nn

Rows = list[list[float]]
State = tuple[int, int, int]
Tensors = tuple[Tensor, ...]


class Masked(Protocol):
    """A layer with a mask."""

    mask_params: nn.Parameter


class EvalCache:
    """The last result of evaluation, without graph; a copied or pickled cache starts empty."""

    def __init__(self) -> None:
        self._key: object = None
        self._tensors: Tensors = ()

    def __reduce__(self) -> tuple[type["EvalCache"], tuple[()]]:
        return EvalCache, ()

    def get(self, layer: nn.Module, key: object, compute: Callable[[], Tensors]) -> Tensors:
        """Return the tensors, computed anew in training, or if key or parameters changed."""
        parameters = list(layer.parameters())
        if (
            layer.training
            or torch.is_grad_enabled()
            or torch.compiler.is_compiling()
            or any(parameter.is_inference() for parameter in parameters)
        ):
            return compute()
        full_key = (key, [_state(parameter) for parameter in parameters])
        if full_key != self._key:
            self._tensors, self._key = compute(), full_key
        return self._tensors


class MaskReader:
    """Copies the masks of all layers that share it to the host, at once and only when they change.

    A copy of a mask that is being trained serves one forward. On the CPU nothing is kept. A copied
    or pickled reader starts empty and is shared by the copies.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Masked, tuple[State, Rows]] = WeakKeyDictionary()
        self._served: WeakSet[Masked] = WeakSet()

    def __reduce__(self) -> tuple[type["MaskReader"], tuple[()]]:
        return MaskReader, ()

    def rows(self, layer: Masked) -> Rows:
        """Return the layer's (mean, sigma) rows."""
        mask = layer.mask_params
        if mask.device.type == "cpu" or mask.is_inference():
            return mask.tolist()
        if layer not in self._known:
            self._read([layer])
        elif layer in self._served or self._known[layer][0] != _state(mask):
            self._read([known for known in self._known if _can_stack(known.mask_params, mask)])
        if torch.is_grad_enabled() and mask.requires_grad:
            self._served.add(layer)
        return self._known[layer][1]

    def _read(self, layers: list[Masked]) -> None:
        values = torch.stack([layer.mask_params.detach() for layer in layers]).tolist()
        for layer, rows in zip(layers, values, strict=True):
            self._known[layer] = (_state(layer.mask_params), rows)
        self._served.difference_update(layers)


def _state(mask: Tensor) -> State:
    return id(mask), mask.data_ptr(), mask._version  # noqa: SLF001 - autograd's own change counter


def _can_stack(mask: Tensor, other: Tensor) -> bool:
    key, other_key = ((m.device, m.dtype, m.shape, m.is_inference()) for m in (mask, other))
    return key == other_key
