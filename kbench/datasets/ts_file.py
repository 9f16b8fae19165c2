"""Files of the UEA archive of time series, `.ts`: one series a line, its channels apart by colons.

Shapes: C channels, T time steps.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbench.errors import DatasetError


def read_ts(path: Path) -> tuple[list[NDArray[np.float32]], list[str]]:
    """Return the series of a file, each (C, T) with a T of its own, and their class labels.

    Raises:
        DatasetError: If it is no text, or a line no series of equally long channels and a label.
    """
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        message = f"{str(path)!r} is no text: {error}"
        raise DatasetError(message) from error
    series: list[NDArray[np.float32]] = []
    labels: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("#", "@")):
            continue
        *channels, label = line.split(":")
        try:
            values = np.array([channel.split(",") for channel in channels], np.float32)
        except ValueError as error:
            message = f"{path}:{number}: not channels of numbers and a label: {error}"
            raise DatasetError(message) from error
        if values.ndim != 2:
            message = f"{path}:{number}: no series, only {line[:40]!r}"
            raise DatasetError(message)
        series.append(values)
        labels.append(label.strip())
    return series, labels


def pad_series(series: list[NDArray[np.float32]], length: int) -> NDArray[np.float32]:
    """Return series (N, C, length); the last value of each is repeated to the end.

    Raises:
        DatasetError: If a series is longer.
    """
    longest = max((values.shape[1] for values in series), default=0)
    if longest > length:
        message = f"a series has {longest} steps; at most {length} are expected"
        raise DatasetError(message)
    padded = [np.pad(v, ((0, 0), (0, length - v.shape[1])), mode="edge") for v in series]
    return np.stack(padded)
