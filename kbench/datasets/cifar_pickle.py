"""The CIFAR sets: pickled batches of 32 x 32 colour images."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from kbench.datasets.dataset import Dataset, Split

# What a pickled array consists of; everything else in a pickle is refused.
ARRAY_PARTS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
IMAGE_SHAPE = (3, 32, 32)


class ArrayUnpickler(pickle.Unpickler):
    """Unpickler of plain containers and numpy arrays; it cannot run code."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in the base class
        """Return a part of an array.

        Raises:
            pickle.UnpicklingError: If the pickle names anything else.
        """
        if (module, name) not in ARRAY_PARTS:
            message = f"pickle asks for {module}.{name}; only numpy arrays are allowed"
            raise pickle.UnpicklingError(message)
        return ARRAY_PARTS[module, name]


def read_batch(path: Path) -> dict[bytes, Any]:
    """Return one pickled batch; keys are bytes, as Python 2 wrote them.

    Raises:
        pickle.UnpicklingError: If the file holds more than containers and arrays.
    """
    with path.open("rb") as file:
        return ArrayUnpickler(file, encoding="bytes").load()


class CifarDataset(Dataset):
    """Colour images of 32 x 32 pixels, 50,000 for training and 10,000 for testing.

    Attributes:
        batches: Paths of the batches of each split.
        target_key: Key of the targets in a batch.
    """

    split_sizes: Mapping[str, int] = {"train": 50_000, "test": 10_000}
    input_shape: tuple[int, ...] = IMAGE_SHAPE
    batches: ClassVar[Mapping[str, tuple[str, ...]]]
    target_key: ClassVar[bytes]

    def _read(self, split: str) -> Split:
        images = np.empty((self.split_sizes[split], *IMAGE_SHAPE), np.uint8)
        targets: list[int] = []
        for path in self.batches[split]:
            batch = read_batch(self.folder / path)
            start = len(targets)
            targets += batch[self.target_key]
            images[start : len(targets)] = batch[b"data"].reshape(-1, *IMAGE_SHAPE)
        return Split(torch.from_numpy(images), torch.tensor(targets))
