"""How long writing a beton takes, next to decoding the same pictures and doing nothing else."""

import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kbench.ahead import compute_ahead
from kbench.bench.loader_data import GivenPictures, find_pictures
from kbench.datasets.beton_prepare import prepare_betons
from kbench.datasets.dataset import FileSplit
from kbench.storage import Storage


@dataclass(frozen=True)
class PreparationSpeed:
    """Time of work on all pictures.

    Attributes:
        work: `decode`: the files are read and decoded; `decode_encode`: and half of the pictures
            compressed; `beton_0`, `beton_0.5`, `beton_1`: a beton is written with this share of
            compressed pictures, checksum included.
        source: Where the pictures come from; they are used again where there are too few.
        pictures: How many there are.
        workers: Threads.
        seconds: Median of the repetitions.
        pictures_per_s: In this time.
        repetitions: Measurements; the kinds of work take turns.
    """

    work: str
    source: str
    pictures: int
    workers: int
    seconds: float
    pictures_per_s: float
    repetitions: int


def bench_preparation(
    *, count: int = 10_000, num_workers: int = 2, repetitions: int = 3
) -> list[PreparationSpeed]:
    """Measure the writing of betons of `count` JPEGs of 224 pixels.

    Raises:
        DatasetError: If ffcv is missing.
    """
    with tempfile.TemporaryDirectory(prefix="kbench-") as folder:
        found = find_pictures(Path(folder), count)
        samples = repeat_pictures(found, count)
        works: dict[str, Callable[[], object]] = {
            "decode": lambda: _decode(samples, num_workers),
            "decode_encode": lambda: _encode(samples, num_workers),
        }
        for share in (0.0, 0.5, 1.0):
            works[f"beton_{share:g}"] = _writer(Path(folder), samples, share, num_workers)
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(repetitions):
            for name, work in works.items():
                started = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - started)
        return [
            PreparationSpeed(
                name, found.found_name, count, num_workers, median, count / median, repetitions
            )
            for name, times in seconds.items()
            for median in (statistics.median(times),)
        ]


def repeat_pictures(found: GivenPictures, count: int) -> FileSplit:
    """Return `count` pictures, the found ones again and again."""
    samples = found.load("train")
    if not isinstance(samples, FileSplit):
        message = f"{found.found_name!r} has no picture files"
        raise TypeError(message)
    places = [index % len(samples) for index in range(count)]
    return FileSplit(tuple(samples.paths[place] for place in places), samples.targets[places])


def _decode(samples: FileSplit, num_workers: int) -> None:
    from kbench.datasets.beton_samples import read_pixels

    _exhaust(compute_ahead(read_pixels, samples.paths, num_threads=num_workers, ahead=8))


def _encode(samples: FileSplit, num_workers: int) -> None:
    from kbench.datasets.beton_samples import encode_samples

    _exhaust(encode_samples(samples, Storage(), 0, num_workers))


def _writer(
    folder: Path, samples: FileSplit, share: float, num_workers: int
) -> Callable[[], object]:
    def write() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            dataset = GivenPictures(Path(fresh), "bench", samples)
            prepare_betons(dataset, Storage(jpeg_share=share), num_workers=num_workers)

    return write


def _exhaust(results: Iterable[object]) -> None:
    """Use up an iterator and keep nothing."""
    deque(results, maxlen=0)
