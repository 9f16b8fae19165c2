"""Loaders: one interface, one augmentation, several ways to bring images to the device.

The recipe names the kind; nothing chooses another one silently.
"""

from functools import partial

from kbench.errors import UnknownNameError, unknown
from kbench.loaders.batch import LoaderFactory
from kbench.loaders.memory import MemoryLoader
from kbench.storage import DEFAULT_STORAGE, Storage

LOADERS = ("memory", "torch", "ffcv")


def find_loader(kind: str, storage: Storage | None = None) -> LoaderFactory:
    """Return what makes loaders of a kind; what only one kind needs is imported for it alone.

    Args:
        kind: One of `LOADERS`.
        storage: How pictures are stored for `ffcv`; None for the default.

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

        return partial(FfcvLoader, storage=storage or DEFAULT_STORAGE)
    raise UnknownNameError(unknown("loader", kind, LOADERS))
