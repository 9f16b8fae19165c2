"""CIFAR-100."""

from collections.abc import Mapping
from typing import ClassVar

from kbench.datasets.cifar_pickle import CifarDataset
from kbench.datasets.dataset import Archive, DataFile
from kbench.registry import DATASETS

FOLDER = "cifar-100-python"
SUMS = {
    f"{FOLDER}/train": "16019d7e3df5f24257cddd939b257f8d",
    f"{FOLDER}/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
CLASS_NAMES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
    crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
    keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
    mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain
    plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


@DATASETS.register("cifar100")
class Cifar100(CifarDataset):
    """Photographs of things, plants, animals and people, 32 x 32 colour pixels, 100 classes.

    Krizhevsky 2009, with the fine classes. The statistics are those of LC, section 6.1; the sums
    are torchvision's.
    """

    name = "cifar100"
    num_classes = 100
    class_names = tuple(CLASS_NAMES.split())
    mean = (0.50707516, 0.48654887, 0.44091784)
    std = (0.26733429, 0.25643846, 0.27615047)
    files = tuple(DataFile(path, md5) for path, md5 in SUMS.items())
    archives = (
        Archive(
            "cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
            ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
            tuple(SUMS),
        ),
    )
    batches: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "train": tuple(SUMS)[:1],
        "test": tuple(SUMS)[1:],
    }
    target_key = b"fine_labels"
