"""Pictures that are computed, or taken from a trained network, to be fitted.

Shapes: C channels, S side in pixels.
"""

import hashlib
import math
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.datasets.dataset import DataFile
from kbench.datasets.fitting import FittingDataset
from kbench.errors import DatasetError
from kbench.registry import DATASETS

Target = Literal["gabor", "random", "alexnet"]

GABOR_SIGMA = 0.33
ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
ALEXNET = DataFile("alexnet-owt-7be5be79.pth", None)
# torchvision names its files by the first digits of their SHA-256.
ALEXNET_SHA256 = "7be5be79"
ALEXNET_FILTERS = 64


@DATASETS.register("kernel_target")
class KernelTarget(FittingDataset):
    r"""A filter to be fitted: of Gabor, of noise, or of AlexNet's first layer.

    FlexConv, arXiv 2110.08059, Figure 4. On :math:`[-1, 1]^2`, ends included, the Gabor filter is
    :math:`\sin(\omega x_0) \sin(\omega x_1) \exp(-|x|^2 / 2\sigma^2)`, sigma 0.33, with `omega` 1,
    4, 16 or 64 in the figure. The noise is uniform in 0 to 1; the paper reads its own from a file,
    so values differ. AlexNet's is torchvision's trained filter, 11 x 11, or enlarged bilinearly to
    33 x 33.

    Args:
        root: Folder with the data; only AlexNet needs any.
        target: What is fitted.
        size: S.
        omega: Frequency of the Gabor filter, greater than 0.
        channels: C; 1, or 3 for noise and AlexNet, whose first is channel 0.
        index: Which of AlexNet's 64 filters.
        standardised: Whether mean 0 and standard deviation 1 are given to the values (N-Jet,
            arXiv 2106.03412, for filters of 11 x 11 x 3).
        seed: Seed of the noise.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "kernel_target"

    def __init__(
        self,
        root: Path,
        *,
        target: Target = "gabor",
        size: int = 33,
        omega: float = 1.0,
        channels: Literal[1, 3] = 1,
        index: int = 0,
        standardised: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(root, (channels, size, size))
        self.target, self.omega, self.index, self.seed = target, omega, index, seed
        self.is_standardised = standardised
        self.files = (ALEXNET,) if target == "alexnet" else ()
        self._check_options()

    @property
    def remedy(self) -> str:
        """Return the command that brings AlexNet's file."""
        return f"curl -o {self.folder / ALEXNET.path} {ALEXNET_URL}"

    def verify(self) -> None:
        """Check AlexNet's file, if it is the target.

        Raises:
            DatasetError: If it is missing or damaged.
        """
        super().verify()
        for file in self.files:
            path = self.folder / file.path
            with path.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
            if not found.startswith(ALEXNET_SHA256):
                message = (
                    f"dataset {self.name!r}: {str(path)!r} has sha256 {found}, expected "
                    f"{ALEXNET_SHA256}...; delete it and {self.advice}"
                )
                raise DatasetError(message)

    def _check_options(self) -> None:
        channels, size, _ = self.input_shape
        is_alexnet = self.target == "alexnet"
        rules = (
            (
                self.target in ("gabor", "random", "alexnet"),
                f"target (={self.target!r}) is unknown",
            ),
            (size >= 2, f"size (={size!r}) must be >= 2"),
            (not is_alexnet or size in (11, 33), f"size (={size!r}) must be 11 or 33 for alexnet"),
            (self.omega > 0, f"omega (={self.omega!r}) must be > 0"),
            (channels in (1, 3), f"channels (={channels!r}) must be 1 or 3"),
            (
                self.target != "gabor" or channels == 1,
                f"channels (={channels!r}) must be 1 for gabor",
            ),
            (0 <= self.index < ALEXNET_FILTERS, f"index (={self.index!r}) must be 0 to 63"),
            (self.seed >= 0, f"seed (={self.seed!r}) must be >= 0"),
        )
        for is_met, message in rules:
            if not is_met:
                raise ValueError(message)

    def _picture(self) -> Tensor:
        make = {"gabor": self._gabor, "random": self._noise, "alexnet": self._alexnet}
        values = make[self.target]()
        if self.is_standardised:
            values = (values - values.mean()) / values.std(correction=0)
        return values.to(torch.float32)

    def _gabor(self) -> Tensor:
        places = torch.linspace(-1, 1, self.input_shape[1], dtype=torch.float64)
        row = torch.sin(self.omega * places) * torch.exp(-places.square() / (2 * GABOR_SIGMA**2))
        return (row[:, None] * row)[None]

    def _noise(self) -> Tensor:
        generator = np.random.Generator(np.random.PCG64(self.seed))
        return torch.from_numpy(generator.random(self.input_shape))

    def _alexnet(self) -> Tensor:
        weights = torch.load(self.folder / ALEXNET.path, weights_only=True)
        chosen = weights["features.0.weight"][self.index, : self.input_shape[0]]  # (C, 11, 11)
        if self.input_shape[1] == chosen.shape[1]:
            return chosen
        return F.interpolate(chosen[None], scale_factor=3, mode="bilinear")[0]


@DATASETS.register("synthetic_picture")
class SyntheticPicture(FittingDataset):
    """Smooth waves in three colours, to be fitted: for trials without data.

    Channel c at row y and column x is (1 + sin((c + 1) 2 pi x / S) cos((3 - c) 2 pi y / S)) / 2.

    Args:
        root: Not used.
        size: S, at least 2.

    Raises:
        ValueError: If `size` is out of range.
    """

    name = "synthetic_picture"
    value_range = (0.0, 1.0)

    def __init__(self, root: Path, *, size: int = 32) -> None:
        super().__init__(root, (3, size, size))
        if size < 2:
            message = f"size (={size!r}) must be >= 2"
            raise ValueError(message)

    def _picture(self) -> Tensor:
        size = self.input_shape[1]
        turn = 2 * math.pi / size * torch.arange(size, dtype=torch.float64)
        waves = [
            (1 + torch.cos((3 - c) * turn)[:, None] * torch.sin((c + 1) * turn)) / 2
            for c in range(3)
        ]
        return torch.stack(waves).to(torch.float32)  # (3, S, S)
