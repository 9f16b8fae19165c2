"""CIFAR-10."""

from collections.abc import Mapping
from typing import ClassVar

from kbench.datasets.cifar_pickle import CifarDataset
from kbench.datasets.dataset import Archive, DataFile
from kbench.registry import DATASETS

FOLDER = "cifar-10-batches-py"
SUMS = {
    f"{FOLDER}/data_batch_1": "c99cafc152244af753f735de768cd75f",
    f"{FOLDER}/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    f"{FOLDER}/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    f"{FOLDER}/data_batch_4": "634d18415352ddfa80567beed471001a",
    f"{FOLDER}/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    f"{FOLDER}/test_batch": "40351d587109b95175f43aff81a1287e",
}


@DATASETS.register("cifar10")
class Cifar10(CifarDataset):
    """Photographs of animals and vehicles, 32 x 32 colour pixels, 10 classes.

    Krizhevsky 2009. The statistics are those of LC, section 6.1; the sums are torchvision's.
    """

    name = "cifar10"
    num_classes = 10
    class_names = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    mean: tuple[float, ...] = (0.49139968, 0.48215841, 0.44653091)
    std: tuple[float, ...] = (0.24703223, 0.24348513, 0.26158784)
    files = tuple(DataFile(path, md5) for path, md5 in SUMS.items())
    archives = (
        Archive(
            "cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            tuple(SUMS),
        ),
    )
    batches: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "train": tuple(SUMS)[:5],
        "test": tuple(SUMS)[5:],
    }
    target_key = b"labels"
