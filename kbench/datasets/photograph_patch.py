"""Patches of the photographs inside scikit-learn: real colours to be fitted, without a download."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from kbench.datasets.checksum import file_md5
from kbench.datasets.dataset import DataFile
from kbench.datasets.fitting import FittingDataset
from kbench.datasets.picture import read_picture
from kbench.registry import DATASETS

Photograph = Literal["china", "flower"]

SUMS = {
    "china": "1c6116212e35016fa7c3b67c81ec1335",
    "flower": "5896f0d20066ea484089d086cd8e5a8d",
}
HEIGHT, WIDTH = 427, 640


@DATASETS.register("photograph_patch")
class PhotographPatch(FittingDataset):
    """A square of a photograph inside scikit-learn, 3 colours, to be fitted.

    For N-Jet, arXiv 2106.03412, Figure 3, whose own patches are not published. Values are in 0 to
    1. Both photographs have 427 x 640 pixels and come under Creative Commons BY 2.0.

    Args:
        root: Not used; the photographs lie in scikit-learn's folder.
        photograph: Which one.
        row: First row of the square, from 0.
        column: First column of the square, from 0.
        size: Side of the square in pixels.

    Raises:
        ValueError: If there is no such photograph, or the square leaves it.
    """

    name = "photograph_patch"
    value_range = (0.0, 1.0)
    remedy = "pip install --force-reinstall scikit-learn"

    def __init__(
        self,
        root: Path,
        *,
        photograph: Photograph = "china",
        row: int = 0,
        column: int = 0,
        size: int = 11,
    ) -> None:
        if photograph not in SUMS:
            message = f"photograph (={photograph!r}) must be one of {list(get_args(Photograph))}"
            raise ValueError(message)
        if not 2 <= size <= HEIGHT:
            message = f"size (={size!r}) must be 2 to {HEIGHT}"
            raise ValueError(message)
        for name, start, side in (("row", row, HEIGHT), ("column", column, WIDTH)):
            if not 0 <= start <= side - size:
                message = f"{name} (={start!r}) must be 0 to {side - size} for a size of {size}"
                raise ValueError(message)
        spec = find_spec("sklearn")
        origin = spec.origin if spec is not None else None
        folder = Path(origin).parent / "datasets" / "images" if origin else root
        super().__init__(folder, (3, size, size))
        self.row, self.column = row, column
        self.files = (DataFile(f"{photograph}.jpg", SUMS[photograph]),)

    def _sums(self, paths: list[Path]) -> list[str]:
        """Return the sums without remembering them: the file is small, its folder not ours."""
        return [file_md5(path) for path in paths]

    def _picture(self) -> Tensor:
        size = self.input_shape[1]
        pixels = np.asarray(read_picture(self.folder / self.files[0].path))  # (427, 640, 3)
        patch = pixels[self.row : self.row + size, self.column : self.column + size]
        return torch.tensor(patch).permute(2, 0, 1).to(torch.float32) / 255  # (3, S, S)
