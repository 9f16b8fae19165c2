"""Loaders: one interface, one augmentation, several ways to bring images to the device.

The recipe names the kind; nothing chooses another one silently.
"""

from kbench.errors import UnknownNameError, unknown
from kbench.loaders.batch import LoaderFactory
from kbench.loaders.memory import MemoryLoader

LOADERS = ("memory", "torch", "ffcv")


def find_loader(kind: str) -> LoaderFactory:
    """Return what makes loaders of a kind; what only one kind needs is imported for it alone.

    Raises:
        UnknownNameError: If there is no such kind.
    """
    if kind == "memory":
        return MemoryLoader
    if kind == "torch":
        from kbench.loaders.torch import TorchLoader

        return TorchLoader
    if kind == "ffcv":
        from kbench.loaders.ffcv import FfcvLoader

        return FfcvLoader
    raise UnknownNameError(unknown("loader", kind, LOADERS))
