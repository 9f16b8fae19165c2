"""The commands `data verify` and `data list`."""

from collections.abc import Sequence

from kbench.conformance.subject import parse_options
from kbench.datasets import data_root
from kbench.datasets.inventory import format_inventory
from kbench.datasets.verification import format_verification, verify_dataset
from kbench.errors import UnsupportedError
from kbench.registry import DATASETS


def verify_data(name: str, settings: Sequence[str], *, progress: bool) -> str:
    """Read all of a dataset and return what was found, as tables.

    Args:
        name: Name of the dataset.
        settings: Its options as `KEY=VALUE`, the value written as in a suite.
        progress: Show a progress bar on stderr.

    Raises:
        UnknownNameError: If there is no such dataset or option.
        SuiteError: If an option has a value of another type.
        UnsupportedError: If an option is out of range.
        DatasetError: If anything is missing or damaged.
    """
    options = parse_options(name, DATASETS[name], settings, "dataset")
    try:
        dataset = DATASETS[name](data_root(), **options)
    except ValueError as error:
        message = f"dataset {name!r}: {error}"
        raise UnsupportedError(message) from error
    return format_verification(dataset, verify_dataset(dataset, progress=progress))


def list_data() -> str:
    """Return a line for every dataset."""
    return format_inventory(data_root())
