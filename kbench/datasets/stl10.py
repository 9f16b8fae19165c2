"""STL-10."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from kbench.datasets.dataset import Archive, DataFile, Split
from kbench.datasets.sized import SizedDataset
from kbench.errors import DatasetError
from kbench.registry import DATASETS

FOLDER = "stl10_binary"
SUMS = {
    f"{FOLDER}/train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    f"{FOLDER}/train_y.bin": "5a34089d4802c674881badbb80307741",
    f"{FOLDER}/test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    f"{FOLDER}/test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
}
SIDE = 96


@DATASETS.register("stl10")
class Stl10(SizedDataset):
    """Photographs of animals and vehicles, 96 x 96 colour pixels, 10 classes.

    Coates, Ng and Lee 2011: 5,000 labelled images for training and 8,000 for testing, as the code
    of FlexConv uses them (section 6; its text says otherwise), without the unlabelled ones. The
    statistics are those of FlexConv, section 6, for 96 x 96 pixels; the sums are torchvision's.

    Args:
        root: Folder with the data in torchvision's layout.
        size: Side of the images in pixels; other than 96 they are resized bilinearly.
    """

    name = "stl10"
    num_classes = 10
    class_names = (
        "airplane",
        "bird",
        "car",
        "cat",
        "deer",
        "dog",
        "horse",
        "monkey",
        "ship",
        "truck",
    )
    split_sizes: Mapping[str, int] = {"train": 5_000, "test": 8_000}
    mean = (0.4467, 0.4398, 0.4066)
    std = (0.2603, 0.2566, 0.2713)
    files = tuple(DataFile(path, md5) for path, md5 in SUMS.items())
    archives = (
        Archive(
            "stl10_binary.tar.gz",
            "91f7769df0f17e558f3565bffb0c7dfb",
            ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
            tuple(SUMS),
        ),
    )

    def __init__(self, root: Path, *, size: int = 96) -> None:
        super().__init__(root, size=size, channels=3)

    def _read(self, split: str) -> Split:
        pixels = np.fromfile(self.folder / FOLDER / f"{split}_X.bin", np.uint8)
        labels = np.fromfile(self.folder / FOLDER / f"{split}_y.bin", np.uint8)
        if pixels.size != labels.size * 3 * SIDE * SIDE:
            path = str(self.folder / FOLDER / f"{split}_X.bin")
            message = (
                f"{path!r} has {pixels.size} bytes for {labels.size} images of 3x{SIDE}x{SIDE}"
            )
            raise DatasetError(message)
        columns = pixels.reshape(-1, 3, SIDE, SIDE)  # (N, 3, W, H)
        images = np.ascontiguousarray(columns.transpose(0, 1, 3, 2))  # (N, 3, H, W)
        # Classes are 1 to 10 in the files.
        return Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64) - 1))
