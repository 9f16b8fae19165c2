"""A part of Imagenette, which is a part of ImageNet."""

from collections.abc import Mapping
from typing import ClassVar

from kbench.datasets.normalisation import IMAGENET
from kbench.datasets.picture_folder import PictureFolder
from kbench.registry import DATASETS

FOLDER = "imagenette-subset"
CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}


@DATASETS.register("imagenette_subset")
class ImagenetteSubset(PictureFolder):
    """A part of ImageNet-1k: 10 easily told classes, 80 + 20 photographs of each, 224 pixels wide.

    The classes are those of Imagenette (Howard 2019). It is for trying recipes of ImageNet-1k,
    whose statistics it has (GMConv, section 6); its accuracies compare with no published ones.

    Args:
        root: Folder with the data.
        per_class: Use at most so many training pictures of each class, the first by name; None
            for all.
    """

    name = "imagenette_subset"
    note = (
        "subset, not comparable with ImageNet-1k: 10 of its 1,000 classes, "
        "80 training and 20 validation pictures of each"
    )
    num_classes = 10
    class_folders = tuple(CLASSES)
    class_names = tuple(CLASSES.values())
    split_folders: Mapping[str, str] = {"train": f"{FOLDER}/train", "test": f"{FOLDER}/val"}
    total_sizes: Mapping[str, int] = {"train": 800, "test": 200}
    min_class_size = 80
    manifest_sums: ClassVar[Mapping[str, str]] = {
        "train": "b270830b7dbc314614ece2f8fbde605c",
        "test": "73b9729e5cb97174db6c42312deec6e2",
    }
    content_sums: ClassVar[Mapping[str, str]] = {
        "train": "758fc68352e9e1a5953d51ec8a51361f",
        "test": "075f60d5045a222079315ee787e7ab1c",
    }
    mean, std = IMAGENET

    @property
    def advice(self) -> str:
        """Return where the pictures belong, as the end of a message."""
        return (
            "there is no download: unpack the pack 'imagenette-subset' into "
            f"{str(self.folder / FOLDER)!r}"
        )
