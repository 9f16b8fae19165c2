"""The handwritten digits inside scikit-learn: real images without a download."""

import gzip
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from kbench.datasets.checksum import file_md5
from kbench.datasets.dataset import DataFile, Dataset, Split
from kbench.datasets.resize import check_size, resize_images
from kbench.registry import DATASETS

NUM_TRAIN = 1437


@DATASETS.register("digits")
class Digits(Dataset):
    """Handwritten digits inside scikit-learn, 8 x 8 grey pixels, 10 classes.

    Alpaydin and Kaynak 1998. The first 1,437 images are for training, the last 360 for testing;
    values are divided by 16 (LC, section 6.1, with its statistics of 0.5 and 0.5). The file is read
    directly, as importing scikit-learn takes longer than a short training.

    Args:
        root: Not used; the file lies in scikit-learn's folder.
        size: Side of the images in pixels; other than 8 they are resized bilinearly.
        channels: C; with 3 the grey values are repeated.

    Raises:
        ValueError: If `size` is not positive or `channels` is neither 1 nor 3.
    """

    name = "digits"
    num_classes = 10
    class_names = tuple("0123456789")
    split_sizes: Mapping[str, int] = {"train": NUM_TRAIN, "test": 360}
    files = (DataFile("digits.csv.gz", "9b335364a7bfd63947c7480a5bd51f2d"),)
    remedy = "pip install --force-reinstall scikit-learn"

    def __init__(self, root: Path, *, size: int = 8, channels: Literal[1, 3] = 1) -> None:
        spec = find_spec("sklearn")
        origin = spec.origin if spec is not None else None
        super().__init__(Path(origin).parent / "datasets" / "data" if origin else root)
        check_size(size)
        if channels not in (1, 3):
            message = f"channels (={channels!r}) must be 1 or 3"
            raise ValueError(message)
        self.image_shape = self.input_shape = (channels, size, size)
        self.mean = self.std = (0.5,) * channels

    def _sums(self, paths: list[Path]) -> list[str]:
        """Return the sums without remembering them: the file is small, its folder not ours."""
        return [file_md5(path) for path in paths]

    def _read(self, split: str) -> Split:
        with gzip.open(self.folder / self.files[0].path, "rt") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.int64)  # (1797, 65)
        rows = table[:NUM_TRAIN] if split == "train" else table[NUM_TRAIN:]
        pixels = torch.from_numpy(rows[:, :-1] / 16).to(torch.float32).view(-1, 1, 8, 8)
        channels, size, _ = self.image_shape
        images = resize_images(pixels, size).repeat(1, channels, 1, 1)  # (N, C, H, W)
        return Split(images, torch.from_numpy(rows[:, -1].copy()))
