"""What an evaluation is given."""

import contextlib
from dataclasses import dataclass

import torch
from torch import nn

from kbench.datasets.normalisation import Normalisation
from kbench.loaders.batch import Loader


@dataclass(frozen=True)
class Evaluated:
    """A trained network and the images to evaluate it on.

    Attributes:
        model: The network, in evaluation mode.
        loader: The test split, in its order, without augmentation.
        statistics: What the images were normalised by.
        device: Where network and images are.
        dtype: Precision of the forward pass; float32, or what autocast is to use.
    """

    model: nn.Module
    loader: Loader
    statistics: Normalisation
    device: torch.device
    dtype: torch.dtype = torch.float32

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of the forward pass."""
        is_mixed = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=is_mixed)
