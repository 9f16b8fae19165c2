"""Kodak: photographs to be fitted."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.datasets.dataset import Archive, DataFile
from kbench.datasets.fitting import FittingDataset
from kbench.datasets.picture import read_picture
from kbench.registry import DATASETS

FOLDER = "kodak"
URL = "https://r0k.us/graphics/kodak/kodak"
LONG_SIDE = 768
UPRIGHT = (4, 9, 10, 17, 18, 19)
SUMS = (
    "797a5ed9e768bac2143197febe74e9f0",
    "40bfc5a525f4659c132e72b7a733e45e",
    "5e9f48bd613eacfb6252c77ae7306a73",
    "f05d34fa98bd7fed4ecbe3597b71918e",
    "b79782844dae1e15aa9419c502a84f0a",
    "4be8c416ad84226df5ba3d289625770a",
    "4d97e7987524aff3bc495776179842be",
    "98454f0a6c3a35e70e69c20642c3bd1b",
    "07d3dba47087b5758a53010434cce622",
    "929943052e22f71b29bff2fbe197daff",
    "c04773608d99a39546de3d028a75bd35",
    "c6c8dea947e5431173a7347bdb2c2262",
    "9ddecfeef6f7915f5e5ce0d09f0c6c61",
    "a5b6b880ba060ad02805bbab60c399d0",
    "a858d33c424eaac1322cf3cab6d3d568",
    "a2308ff210e30c1969f7445135607f20",
    "52dac72df0b33bacc643ad6d42759964",
    "d1c85cf7358cd0bf4dd26c884f2e80b8",
    "d60e46f8c6fd8f8ae33a39e6eef22af3",
    "7d814638029aa1606caf78c7085414f4",
    "e7608675ced1dbc0b8d3a1878d8be675",
    "ceb46494f96589f8926a84bb5b66056e",
    "e1328ba2c55d5a72eb77e283c9630b90",
    "45a4912aaa0458940d5554ade1db5141",
)
PATHS = tuple(f"{FOLDER}/kodim{number:02d}.png" for number in range(1, len(SUMS) + 1))


@DATASETS.register("kodak")
class Kodak(FittingDataset):
    """One of 24 photographs, 768 x 512 or 512 x 768 colour pixels, to be fitted.

    FlexConv, arXiv 2110.08059, Table 5. Values are in 0 to 1; ratios of signal to noise are those
    of outputs clamped to it. The sums were computed from the files.

    Args:
        root: Folder with the data.
        image: Number of the photograph, 1 to 24.
        long_side: Longer side in pixels, a multiple of 3; other than 768 the photograph is resized
            bilinearly, with a wider filter.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "kodak"
    files = tuple(DataFile(path, md5) for path, md5 in zip(PATHS, SUMS, strict=True))
    archives = tuple(
        Archive(path, md5, (f"{URL}/{path.rpartition('/')[2]}",), (path,))
        for path, md5 in zip(PATHS, SUMS, strict=True)
    )
    value_range = (0.0, 1.0)

    def __init__(self, root: Path, *, image: int = 1, long_side: int = 768) -> None:
        if not 1 <= image <= len(SUMS):
            message = f"image (={image!r}) must be 1 to {len(SUMS)}"
            raise ValueError(message)
        if not 3 <= long_side <= LONG_SIDE or long_side % 3:
            message = f"long_side (={long_side!r}) must be a multiple of 3, 3 to {LONG_SIDE}"
            raise ValueError(message)
        sides = (long_side * 2 // 3, long_side)
        height, width = reversed(sides) if image in UPRIGHT else sides
        super().__init__(root, (3, height, width))
        self.image = image

    def _picture(self) -> Tensor:
        picture = read_picture(self.folder / PATHS[self.image - 1])
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)  # (3, H, W)
        values = pixels.to(torch.float32).div(255)
        sides = self.input_shape[1:]
        if values.shape[1:] == sides:
            return values.contiguous()
        return F.interpolate(values[None], sides, mode="bilinear", antialias=True)[0]
