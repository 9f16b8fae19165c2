"""Precision of what is computed from weights before the convolution sees it."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def computing_dtype(tensor: Tensor) -> torch.dtype:
    """Return the tensor's own floating type, or float32 where that is wider."""
    return torch.promote_types(tensor.dtype, torch.float32)


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for the tensor's device; devices without autocast need nothing."""
    device = tensor.device.type
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()
