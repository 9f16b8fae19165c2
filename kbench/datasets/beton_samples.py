"""The samples of a split as bytes for a beton: images as they are, pictures shrunk and compressed.

The same split gives the same bytes, whatever the number of workers.
"""

from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ffcv.fields import IntField, NDArrayField, RGBImageField
from ffcv.fields.rgb_image import IMAGE_MODES, encode_jpeg, resizer
from numpy.typing import NDArray

from kbench.ahead import compute_ahead
from kbench.datasets.dataset import FileSplit, Split
from kbench.datasets.picture import read_picture
from kbench.errors import UnsupportedError
from kbench.storage import Storage

IMAGE, LABEL = "image", "label"
SAMPLES_AHEAD = 4
# A picture of 5,000 x 4,000 pixels fits into the larger one.
PAGE_SIZE, LARGE_PAGE_SIZE = 2**23, 2**26


class Sample(NamedTuple):
    """A sample as a beton holds it.

    Attributes:
        metadata: Values of the fields, the place of the bytes left out.
        data: The bytes.
    """

    metadata: tuple[tuple[int, ...], int]
    data: NDArray[np.uint8]


def find_fields(samples: Split | FileSplit) -> dict[str, Any]:
    """Return FFCV's fields for the samples, by name.

    Raises:
        UnsupportedError: If the images are not of 8 bits or the targets not class numbers.
    """
    if samples.targets.ndim != 1 or samples.targets.is_floating_point():
        message = f"betons hold a class number per image, not targets {samples.targets.shape}"
        raise UnsupportedError(message)
    if isinstance(samples, FileSplit):
        return {IMAGE: RGBImageField(), LABEL: IntField()}
    if samples.images.dtype != torch.uint8:
        message = (
            f"betons hold images of 8 bits, not {samples.images.dtype}; "
            "use loader 'memory' for these"
        )
        raise UnsupportedError(message)
    shape = tuple(samples.images.shape[1:])
    return {IMAGE: NDArrayField(np.dtype(np.uint8), shape), LABEL: IntField()}


def find_page_size(storage: Storage) -> int:
    """Return the bytes of a page."""
    return LARGE_PAGE_SIZE if storage.max_side is None or storage.max_side > 1600 else PAGE_SIZE


def encode_samples(
    samples: Split | FileSplit, storage: Storage, start: int, num_workers: int
) -> Iterator[Sample]:
    """Yield the samples from `start` on, in order; pictures are worked on by `num_workers` threads.

    Raises:
        DatasetError: If a picture cannot be read; names the file.
    """
    targets = samples.targets.tolist()
    if isinstance(samples, Split):
        images = samples.images.numpy()
        for index in range(start, len(samples)):
            yield Sample(((), targets[index]), images[index].reshape(-1))
        return
    # Which ones are compressed must not depend on where an interrupted run goes on.
    drawn = np.random.default_rng(0).random(len(samples))
    jobs = zip(samples.paths, targets, drawn < storage.jpeg_share, repeat(storage), strict=False)
    remaining = islice(jobs, start, None)
    yield from compute_ahead(
        _encode, remaining, num_threads=num_workers, ahead=SAMPLES_AHEAD * num_workers
    )


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of a picture file as RGB, (H, W, 3).

    Raises:
        DatasetError: As `read_picture`.
    """
    return np.asarray(read_picture(path))


def _encode(job: tuple[Path, int, bool, Storage]) -> Sample:
    path, target, is_jpeg, storage = job
    image = resizer(read_pixels(path), storage.max_side)
    height, width = image.shape[:2]
    data = encode_jpeg(image, storage.jpeg_quality) if is_jpeg else image.reshape(-1)
    mode = IMAGE_MODES["jpg" if is_jpeg else "raw"]
    return Sample(((mode, width, height), target), data)
