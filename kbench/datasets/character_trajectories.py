"""CharacterTrajectories: the pen of a writer.

Shapes: M series of the whole set, T time steps.
"""

from pathlib import Path

import numpy as np
import torch

from kbench.datasets.dataset import DataFile, Split
from kbench.datasets.series import SeriesDataset
from kbench.datasets.ts_file import pad_series, read_ts
from kbench.errors import DatasetError
from kbench.registry import DATASETS

COUNT = 2858
LETTERS = tuple("abcdeghlmnopqrsuvwyz")
FOLDER = "character-trajectories"
STRETCHED = DataFile(
    f"{FOLDER}/character_trajectories_2858x205x3_f32.npz", "0f9cde9a724aa4163b2df6833d3b7919"
)
ARCHIVED = (
    f"{FOLDER}/CharacterTrajectories_TRAIN.ts",
    f"{FOLDER}/CharacterTrajectories_TEST.ts",
)


@DATASETS.register("character_trajectories")
class CharacterTrajectories(SeriesDataset):
    """Pen speed and force of a writer, 182 steps of 3 channels, 20 letters, 2,858 series.

    FlexConv, arXiv 2110.08059, section 5.1: both parts of the UEA archive's set together, padded
    with the last value, then split 70 / 15 / 15 and normalised (`SeriesDataset`).
    """

    name = "character_trajectories"
    num_classes = len(LETTERS)
    class_names = LETTERS
    files = tuple(DataFile(path, None) for path in ARCHIVED)

    def __init__(self, root: Path) -> None:
        super().__init__(root, (3, 182), COUNT)

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        place = str(self.folder / FOLDER)
        return (
            f"unpack CharacterTrajectories.zip of www.timeseriesclassification.com into {place!r}"
        )

    def _read_whole(self) -> Split:
        parts = [read_ts(self.folder / file.path) for file in self.files]
        series = [values for part in parts for values in part[0]]
        labels = [label for part in parts for label in part[1]]
        # The archive numbers the letters from 1.
        numbers = {str(number): letter for number, letter in enumerate(LETTERS, 1)}
        unknown = sorted(set(labels) - set(numbers))
        if unknown:
            message = f"dataset {self.name!r}: label {unknown[0]!r}; labels are 1 to {len(LETTERS)}"
            raise DatasetError(message)
        return _as_split(pad_series(series, self.input_shape[1]), [numbers[n] for n in labels])


@DATASETS.register("character_trajectories_205")
class StretchedTrajectories(SeriesDataset):
    """The series of CharacterTrajectories stretched to 205 steps, 3 channels, 20 letters, 2,858.

    The UCI set, each series brought to 205 steps by repeating samples; split and normalised as
    `character_trajectories`. Numbers of it are not those of the paper's table.
    """

    name = "character_trajectories_205"
    note = "CharacterTrajectories of UCI, stretched to 205 steps; not the 182 steps of the UEA set"
    num_classes = len(LETTERS)
    class_names = LETTERS
    files = (STRETCHED,)

    def __init__(self, root: Path) -> None:
        super().__init__(root, (3, 205), COUNT)

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        return "put the array X (2858, 205, 3) with the letters y there"

    def _read_whole(self) -> Split:
        with np.load(self.folder / STRETCHED.path) as content:
            values, letters = content["X"].transpose(0, 2, 1), content["y"].tolist()
        return _as_split(values, letters)


def _as_split(values: np.ndarray, letters: list[str]) -> Split:
    images = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))  # (M, 3, T)
    return Split(images, torch.tensor([LETTERS.index(letter) for letter in letters]))
