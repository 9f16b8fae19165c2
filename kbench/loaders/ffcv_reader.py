"""Pixels of a beton: FFCV's file behind compiled code.

Shapes: N samples of the beton, B images of a batch, C channels, H and W height and width in pixels.
"""

import importlib
import threading
import time
from pathlib import Path

import numpy as np
import torch
from ffcv.fields import RGBImageField
from ffcv.pipeline.compiler import set_num_threads
from ffcv.reader import Reader
from numpy.typing import NDArray
from torch import Tensor

from kbench.loaders.augmentation import channel_values, normalise, to_channels_last
from kbench.loaders.ffcv_kernels import image_kernel, picture_kernel
from kbench.loaders.ffcv_rows import Sizes

# Not every threading layer of numba bears two threads that start parallel work at once.
TURN = threading.Lock()


class BetonReader:
    """Batches of a beton's images, each in memory of its own.

    Args:
        path: The beton.
        mean: What is subtracted from each channel, of pixels in 0 to 1.
        std: What each channel is divided by, afterwards.
        device: Where the batches are.
        channels_last: Memory format of the batches.
        num_threads: Threads that work on a batch, at least 1; not more than there are cores.

    Attributes:
        targets: (N,), int64 class numbers.
        sizes: Sizes of the stored images.
        shape: (C, H, W) of images of one size; None for pictures.
    """

    def __init__(
        self,
        path: Path,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        device: torch.device,
        channels_last: bool,
        num_threads: int,
    ) -> None:
        reader = Reader(str(path))
        image, label = (reader.metadata[name] for name in reader.metadata.dtype.names)
        (field, _) = reader.handlers.values()
        self.targets = torch.from_numpy(label.astype(np.int64))
        self.shape = None if isinstance(field, RGBImageField) else tuple(map(int, field.shape))
        if self.shape is None:
            self._samples = _describe_pictures(image, reader.alloc_table)
            self.sizes = Sizes(self._samples[:, 3], self._samples[:, 4])
            self._kernel = picture_kernel()
        else:
            self._samples = image.astype(np.int64)
            sides = (np.full(len(image), side) for side in self.shape[1:])
            self.sizes = Sizes(*sides)
            self._kernel = image_kernel()
        self._content = np.memmap(path, np.uint8, "r")
        self._device, self._channels_last = device, channels_last
        self._num_threads = min(max(1, num_threads), _most_threads())
        shape = self.shape or (3, 1, 1)
        self._mean, self._std = (
            channel_values(name, values, shape) for name, values in (("mean", mean), ("std", std))
        )
        self._values = self._make_values()

    def read(self, rows: NDArray[np.int64], side: int | None = None) -> Tensor:
        """Return the images of `draw_rows`' rows, (B, C, H, W), on the CPU.

        They are normalised already if that is where the batches are, else bytes. Pictures have
        `side` pixels along both axes.
        """
        result = torch.empty(
            (len(rows), *(self.shape or (3, side or 1, side or 1))),
            dtype=torch.uint8 if self._device.type == "cuda" else torch.float32,
            pin_memory=self._device.type == "cuda",
            memory_format=torch.channels_last if self._channels_last else torch.contiguous_format,
        )
        with TURN:
            set_num_threads(self._num_threads)
            self._kernel(self._content, self._samples, rows, self._values, result.numpy())
        return result

    def finish(self, images: Tensor) -> Tensor:
        """Return what `read` gave as float32 on the device, normalised."""
        if self._device.type != "cuda":
            return images
        images = images.to(self._device, non_blocking=True)
        mean, std = (values.to(self._device) for values in (self._mean, self._std))
        inputs = normalise(images, mean, std)
        return to_channels_last(inputs) if self._channels_last else inputs

    def compile(self, side: int | None) -> float:
        """Compile what `read` needs, unless this process has done so; return the seconds."""
        started = time.perf_counter()
        rows = np.zeros((1, 6), np.int64)
        rows[0, 3:5] = self.sizes.height[0], self.sizes.width[0]
        self.read(rows, side)
        return time.perf_counter() - started

    def _make_values(self) -> NDArray[np.generic]:
        """Return what each of the 256 pixels becomes in each channel, (C, 256)."""
        pixels = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
        pixels = pixels.repeat(1, len(self._mean), 1, 1)  # (256, C, 1, 1)
        if self._device.type != "cuda":
            pixels = normalise(pixels, self._mean, self._std)
        return np.ascontiguousarray(pixels[:, :, 0, 0].numpy().T)


def _describe_pictures(metadata: NDArray[np.void], table: NDArray[np.void]) -> NDArray[np.int64]:
    """Return place and bytes, mode, height and width of each picture, (N, 5)."""
    order = np.argsort(table["ptr"])
    found = order[np.searchsorted(table["ptr"], metadata["data_ptr"], sorter=order)]
    columns = (
        metadata["data_ptr"],
        table["size"][found],
        metadata["mode"],
        metadata["height"],
        metadata["width"],
    )
    return np.stack([column.astype(np.int64) for column in columns], 1)


def _most_threads() -> int:
    return int(importlib.import_module("numba").config.NUMBA_NUM_THREADS)
