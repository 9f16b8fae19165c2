"""Any pictures of a user's own."""

from collections.abc import Mapping
from pathlib import Path

from kbench.datasets.normalisation import IMAGENET
from kbench.datasets.picture_folder import PictureFolder
from kbench.registry import DATASETS


@DATASETS.register("image_folder")
class ImageFolder(PictureFolder):
    """Pictures of your own, in a folder for each split with a folder for each class.

    The layout of torchvision's `ImageFolder`. Classes and sizes are what is found, so the data has
    to be there. The statistics are those of ImageNet.

    Args:
        root: Folder that `path` starts from.
        path: Folder of the split folders, absolute or below `root`.
        train: Folder of the training pictures, below `path`.
        test: Folder of the test pictures, below `path`; it has the same class folders.
        per_class: Use at most so many training pictures of each class, the first by name; None
            for all.

    Raises:
        DatasetError: If a folder is missing or empty, or the splits have other classes.
        ValueError: If `per_class` is not positive.
    """

    name = "image_folder"
    note = "pictures of the user's own"
    class_folders: tuple[str, ...] = ()
    total_sizes: Mapping[str, int] = {}
    mean, std = IMAGENET

    def __init__(
        self,
        root: Path,
        *,
        path: str = "image_folder",
        train: str = "train",
        test: str = "val",
        per_class: int | None = None,
    ) -> None:
        self.split_folders = {"train": f"{path}/{train}", "test": f"{path}/{test}"}
        super().__init__(root, per_class=per_class)
        self.class_folders = self.class_names = self._find_classes()
        self.num_classes = len(self.class_names)
        self.total_sizes = {split: len(self._listing(split)) for split in self.split_folders}
        used = (len(names[:per_class]) for names in self._listing("train").names)
        self.split_sizes = {**self.total_sizes, "train": sum(used)}

    @property
    def advice(self) -> str:
        """Return how to name the pictures, as the end of a message."""
        return "the options 'path', 'train' and 'test' say where they are"

    def _find_classes(self) -> tuple[str, ...]:
        """Return the class folders of the training split, which have to be those of the other."""
        found = {below: self._class_folders(below) for below in self.split_folders.values()}
        first, second = found
        for name in sorted(found[first] ^ found[second]):
            has, lacks = (first, second) if name in found[first] else (second, first)
            self._fail(
                f"class folder {name!r} is in {str(self.folder / has)!r}, "
                f"not in {str(self.folder / lacks)!r}"
            )
        return tuple(sorted(found[first]))

    def _class_folders(self, below: str) -> set[str]:
        folder = self.folder / below
        if not folder.is_dir():
            self._fail(f"no folder {str(folder)!r}")
        names = {place.name for place in folder.iterdir() if place.is_dir()}
        names = {name for name in names if not name.startswith(".")}
        if not names:
            self._fail(f"{str(folder)!r} has no class folder")
        return names
