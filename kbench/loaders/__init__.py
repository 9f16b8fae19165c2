"""Loaders: one interface, one augmentation, several ways to bring images to the device.

The recipe names the kind; nothing chooses another one silently.
"""

from kbench.errors import UnknownNameError, unknown
from kbench.loaders.batch import LoaderFactory
from kbench.loaders.memory import MemoryLoader

LOADERS: dict[str, LoaderFactory] = {"memory": MemoryLoader}


def find_loader(kind: str) -> LoaderFactory:
    """Return what makes loaders of a kind.

    Raises:
        UnknownNameError: If there is no such kind.
    """
    if kind not in LOADERS:
        raise UnknownNameError(unknown("loader", kind, LOADERS))
    return LOADERS[kind]
