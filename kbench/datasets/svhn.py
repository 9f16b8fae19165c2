"""SVHN: house numbers."""

from collections.abc import Mapping

import numpy as np
import torch

from kbench.datasets.dataset import Archive, DataFile, Dataset, Split
from kbench.registry import DATASETS

URL = "http://ufldl.stanford.edu/housenumbers"
SUMS = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}


@DATASETS.register("svhn")
class Svhn(Dataset):
    """House numbers from street photographs, 32 x 32 colour pixels, 10 classes.

    Netzer et al. 2011, without the additional training images. Digit 0, class 10 in the files, is
    class 0. The statistics are those of LC, section 6.1; the sums are torchvision's.
    """

    name = "svhn"
    num_classes = 10
    class_names = tuple("0123456789")
    split_sizes: Mapping[str, int] = {"train": 73_257, "test": 26_032}
    input_shape = (3, 32, 32)
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)
    files = tuple(DataFile(path, md5) for path, md5 in SUMS.items())
    archives = tuple(Archive(path, md5, (f"{URL}/{path}",), (path,)) for path, md5 in SUMS.items())

    def _read(self, split: str) -> Split:
        from scipy.io import loadmat  # takes a quarter of a second that other datasets save

        content = loadmat(self.folder / f"{split}_32x32.mat", variable_names=("X", "y"))
        pixels = np.ascontiguousarray(content["X"].transpose(3, 2, 0, 1))  # (N, 3, 32, 32)
        targets = content["y"].reshape(-1).astype(np.int64) % 10
        return Split(torch.from_numpy(pixels), torch.from_numpy(targets))
