"""Images as sequences: their pixels one after the other, or their rows.

FlexConv, arXiv 2110.08059, section 5.1 and its code. `stride` keeps every stride-th step; the paper
has 1, larger values are for small scales.

Shapes: N samples of a split, B samples of a batch, C channels, T time steps.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kbench.datasets.cifar10 import Cifar10
from kbench.datasets.dataset import Dataset, Split
from kbench.datasets.digits import Digits
from kbench.datasets.mnist import Mnist
from kbench.datasets.normalisation import IMAGENET
from kbench.registry import DATASETS


def count_steps(size: int, stride: int) -> int:
    """Return how many of `size` steps are left when every stride-th is kept.

    Raises:
        ValueError: If `stride` is not 1 to `size`.
    """
    if not 1 <= stride <= size:
        message = f"stride (={stride!r}) must be 1 to {size}, the steps of a sequence"
        raise ValueError(message)
    return -(-size // stride)


def flatten_rows(split: Split, stride: int) -> Split:
    """Return images (N, C, H, W) as sequences (N, C, T): row by row, every stride-th pixel."""
    return Split(split.images.flatten(2)[:, :, ::stride].contiguous(), split.targets)


@DATASETS.register("smnist")
class SequentialMnist(Mnist):
    """MNIST pixel by pixel, 784 steps of 1 channel, 10 classes.

    Args:
        root: Folder with the data in torchvision's layout.
        stride: Every stride-th pixel is kept.

    Raises:
        ValueError: If `stride` is out of range.
    """

    name = "smnist"

    def __init__(self, root: Path, *, stride: int = 1) -> None:
        super().__init__(root)
        self.stride = stride
        self.input_shape = (1, count_steps(28 * 28, stride))

    def _convert(self, found: Split) -> Split:
        return flatten_rows(found, self.stride)


@DATASETS.register("pmnist")
class PermutedMnist(SequentialMnist):
    """MNIST pixel by pixel in a random but fixed order, 784 steps of 1 channel, 10 classes.

    The paper draws one order for every run; here it belongs to the dataset's options and so to the
    record: all seeds of a cell share it, and a list of `permutation_seed` is an axis of orders.

    Args:
        root: Folder with the data in torchvision's layout.
        stride: Every stride-th pixel is kept, before they change places.
        permutation_seed: Seed of the order, not negative.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "pmnist"

    def __init__(self, root: Path, *, stride: int = 1, permutation_seed: int = 0) -> None:
        super().__init__(root, stride=stride)
        generator = make_generator("permutation_seed", permutation_seed)
        self.order = torch.from_numpy(generator.permutation(self.input_shape[1]))  # (T,)

    def _convert(self, found: Split) -> Split:
        sequences = super()._convert(found)
        return Split(sequences.images[:, :, self.order], sequences.targets)


@DATASETS.register("scifar10")
class SequentialCifar10(Cifar10):
    """CIFAR-10 pixel by pixel, 1,024 steps of 3 channels, 10 classes.

    The statistics are those that FlexConv uses for CIFAR-10, section 6 of its protocol.

    Args:
        root: Folder with the data in torchvision's layout.
        stride: Every stride-th pixel is kept.

    Raises:
        ValueError: If `stride` is out of range.
    """

    name = "scifar10"
    mean, std = IMAGENET

    def __init__(self, root: Path, *, stride: int = 1) -> None:
        super().__init__(root)
        self.stride = stride
        self.input_shape = (3, count_steps(32 * 32, stride))

    def _convert(self, found: Split) -> Split:
        return flatten_rows(found, self.stride)


@DATASETS.register("npcifar10")
class NoisePaddedCifar10(Cifar10):
    """CIFAR-10 row by row, then noise: 1,000 steps of 96 channels, 10 classes.

    Step r is row r of the image, channel 32c + w its pixel (c, r, w), normalised as FlexConv does
    with CIFAR-10. The steps behind are normal numbers, the same for all samples of both splits;
    where the paper draws them for every run, they belong to the dataset's options here. `load`
    gives the rows alone, (N, 96, 32); `complete` adds the noise to a batch, as with it the training
    split would take 19 GB.

    Args:
        root: Folder with the data in torchvision's layout.
        length: Steps in all, at least 32.
        noise_seed: Seed of the noise, not negative.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "npcifar10"
    mean = tuple(value for value in IMAGENET.mean for _ in range(32))
    std = tuple(value for value in IMAGENET.std for _ in range(32))

    def __init__(self, root: Path, *, length: int = 1000, noise_seed: int = 0) -> None:
        super().__init__(root)
        check_least("length", length, 32)
        self.input_shape = (96, length)
        drawn = make_generator("noise_seed", noise_seed).standard_normal((96, length - 32))
        self.noise = torch.from_numpy(drawn.astype(np.float32))  # (96, T - 32)

    def complete(self, inputs: Tensor) -> Tensor:
        """Map the rows (B, 96, 32) to the sequences (B, 96, T)."""
        self.noise = self.noise.to(inputs.device)
        noise = self.noise.expand(len(inputs), -1, -1).to(inputs.dtype)
        return torch.cat([inputs, noise], dim=2)

    def _convert(self, found: Split) -> Split:
        rows = found.images.transpose(2, 3).flatten(1, 2)  # (N, 3 W, H)
        return Split(rows.contiguous(), found.targets)


@DATASETS.register("digits_sequence")
class SequentialDigits(Digits):
    """Handwritten digits inside scikit-learn pixel by pixel, 64 steps of 1 channel, 10 classes.

    Args:
        root: Not used; the file lies in scikit-learn's folder.
        stride: Every stride-th pixel is kept.

    Raises:
        ValueError: If `stride` is out of range.
    """

    name = "digits_sequence"

    def __init__(self, root: Path, *, stride: int = 1) -> None:
        super().__init__(root)
        self.stride = stride
        self.input_shape = (1, count_steps(64, stride))

    def _convert(self, found: Split) -> Split:
        return flatten_rows(found, self.stride)


@DATASETS.register("noise_sequence")
class NoiseSequence(Dataset):
    """Normal numbers with classes drawn at random: for times and shapes, not to learn from.

    `val` and `test` have a quarter of the training split's samples each. There are no files.

    Args:
        root: Not used.
        channels: C.
        length: T.
        classes: Number of classes, at least 2.
        count: Samples of the training split, at least 4.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "noise_sequence"
    note = "random sequences, not data: accuracies mean nothing"
    files = ()

    def __init__(
        self,
        root: Path,
        *,
        channels: int = 3,
        length: int = 61,
        classes: int = 10,
        count: int = 256,
    ) -> None:
        super().__init__(root)
        check_least("channels", channels, 1)
        check_least("length", length, 1)
        check_least("classes", classes, 2)
        check_least("count", count, 4)
        self.input_shape = (channels, length)
        self.mean, self.std = (0.0,) * channels, (1.0,) * channels
        self.num_classes = classes
        self.class_names = tuple(map(str, range(classes)))
        self.split_sizes = {"train": count, "val": count // 4, "test": count // 4}

    def _read(self, split: str) -> Split:
        seed = list(self.split_sizes).index(split)
        generator = make_generator("seed", seed)
        count = self.split_sizes[split]
        values = generator.standard_normal((count, *self.input_shape), np.float32)
        targets = generator.integers(0, self.num_classes, count)
        return Split(torch.from_numpy(values), torch.from_numpy(targets))


def make_generator(name: str, seed: int) -> np.random.Generator:
    """Return a generator; the seed is an option of that name.

    Raises:
        ValueError: If the seed is negative.
    """
    check_least(name, seed, 0)
    return np.random.Generator(np.random.PCG64(seed))


def check_least(name: str, value: int, least: int) -> None:
    """Refuse an option that is too small.

    Raises:
        ValueError: Names the option.
    """
    if value < least:
        message = f"{name} (={value!r}) must be >= {least}"
        raise ValueError(message)
