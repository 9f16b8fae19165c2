"""The command `data prepare`."""

from collections.abc import Sequence
from dataclasses import dataclass

from kbench.conformance.subject import parse_options
from kbench.datasets import data_root
from kbench.datasets.beton_prepare import Prepared, prepare_betons
from kbench.datasets.prepare import prepare_dataset
from kbench.errors import UnsupportedError
from kbench.machine import count_cores
from kbench.registry import DATASETS
from kbench.storage import Storage


@dataclass(frozen=True)
class PrepareOptions:
    """What the user asked for.

    Attributes:
        options: The dataset's options as `KEY=VALUE`, the value written as in a suite.
        download: Fetch what is missing from the network.
        ffcv: Also write betons.
        max_side: `Storage.max_side`, 0 for none; None for the default, as the others.
        jpeg_quality: `Storage.jpeg_quality`.
        jpeg_share: `Storage.jpeg_share`.
        splits: Splits of which betons are written; none for all.
        workers: Threads that decode and compress; None for one per core.
    """

    options: Sequence[str] = ()
    download: bool = False
    ffcv: bool = False
    max_side: int | None = None
    jpeg_quality: int | None = None
    jpeg_share: float | None = None
    splits: Sequence[str] = ()
    workers: int | None = None

    @property
    def storage(self) -> Storage | None:
        """Return how pictures are stored; None if the user said nothing of it."""
        plain = Storage()
        side, quality, share = self.max_side, self.jpeg_quality, self.jpeg_share
        if side is None and quality is None and share is None:
            return None
        return Storage(
            max_side=plain.max_side if side is None else side or None,
            jpeg_quality=plain.jpeg_quality if quality is None else quality,
            jpeg_share=plain.jpeg_share if share is None else share,
        )


def prepare_data(name: str, chosen: PrepareOptions, *, progress: bool) -> str:
    """Bring a dataset to where it belongs, and its betons if asked to; return what is there.

    Raises:
        UnknownNameError: If there is no such dataset or option.
        SuiteError: If an option has a value of another type.
        UnsupportedError: If an option is out of range, or betons cannot hold the dataset.
        DatasetError: If anything is missing or damaged or cannot be written.
    """
    options = parse_options(name, DATASETS[name], chosen.options, "dataset")
    try:
        dataset = DATASETS[name](data_root(), **options)
    except ValueError as error:
        message = f"dataset {name!r}: {error}"
        raise UnsupportedError(message) from error
    storage = chosen.storage
    if storage is not None and not (chosen.ffcv and dataset.is_file_backed):
        message = "--max-side, --jpeg-quality and --jpeg-share are for --ffcv and picture files"
        raise UnsupportedError(message)
    prepare_dataset(dataset, download=chosen.download, progress=progress)
    lines = [f"{name}: complete and verified"]
    if chosen.ffcv:
        betons = prepare_betons(
            dataset,
            storage,
            splits=chosen.splits,
            num_workers=chosen.workers or count_cores(),
            progress=progress,
        )
        lines += map(_format, betons)
    return "\n".join(lines)


def _format(beton: Prepared) -> str:
    rate = ""
    if beton.written_s is not None:
        rate = f", written in {beton.written_s:,.1f} s"
    return f"{beton.path}: {beton.num_samples:,} samples, {beton.size_mib:,.0f} MiB{rate}"
