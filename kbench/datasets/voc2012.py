"""Pascal VOC 2012 for segmentation.

Shapes: N pictures of a split, S side of the canvas in pixels.
"""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kbench.datasets.camvid import read_mask
from kbench.datasets.dataset import Archive, DataFile, Split
from kbench.datasets.picture import read_picture
from kbench.datasets.segmentation import IGNORED, SegmentationDataset
from kbench.errors import DatasetError
from kbench.registry import DATASETS

# What scipy may raise where a .mat file is cut or is none, besides errors of its own.
DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    UnboundLocalError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
Training = Literal["voc", "voc_sbd"]

VOC = "VOCdevkit/VOC2012"
SBD = "sbd"
VOC_LISTS = tuple(f"{VOC}/ImageSets/Segmentation/{name}.txt" for name in ("train", "val"))
SBD_LISTS = tuple(f"{SBD}/{name}.txt" for name in ("train", "val"))
# The lists come last: they are what tells that the pictures are there.
VOC_FOLDERS = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
SBD_FILES = ("cls", "train.txt", "val.txt")
SBD_URL = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours"
VOC_ARCHIVE = Archive(
    "VOCtrainval_11-May-2012.tar",
    "6cd6e144f989b92b3379bac3b3de84fd",
    ("https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",),
    places=tuple((f"{VOC}/{name}", f"{VOC}/{name}") for name in VOC_FOLDERS),
)
SBD_ARCHIVE = Archive(
    f"{SBD}/benchmark.tgz",
    "82b4d87ceb2ed10f6038a1cba92111cb",
    (f"{SBD_URL}/benchmark.tgz",),
    places=tuple((f"benchmark_RELEASE/dataset/{name}", f"{SBD}/{name}") for name in SBD_FILES),
)
CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


@DATASETS.register("voc2012_segmentation")
class Voc2012Segmentation(SegmentationDataset):
    """Photographs of everyday objects, colour, background and 20 classes; Pascal VOC 2012.

    Everingham et al. 2010, with the masks of Hariharan et al. 2011 (SBD) for `voc_sbd`. The test
    split is VOC's validation split. Pictures lie at the top left of a square canvas, of VOC's
    largest side by default; the rest of it is black and its pixels are ignored. The statistics
    are those of ImageNet, the sums torchvision's. All pictures lie in memory: 10.6 GB for training
    with `voc_sbd`.

    Args:
        root: Folder with the data, as torchvision unpacks both sets.
        training: `voc` for VOC's own training split, `voc_sbd` for all pictures with a mask in
            either set that are not in VOC's validation split.
        size: Side of the canvas; larger pictures are made smaller, bilinearly and their masks by
            the nearest pixel.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "voc2012_segmentation"
    num_classes = len(CLASSES)
    class_names = CLASSES
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(self, root: Path, *, training: Training = "voc_sbd", size: int = 500) -> None:
        super().__init__(root)
        sizes = {"voc": 1464, "voc_sbd": 10_582}
        if training not in sizes:
            message = f"training (={training!r}) must be one of {sorted(sizes)}"
            raise ValueError(message)
        if size < 1:
            message = f"size (={size!r}) must be >= 1"
            raise ValueError(message)
        self.training = training
        self.input_shape = (3, size, size)
        self.split_sizes: Mapping[str, int] = {"train": sizes[training], "test": 1449}
        lists = VOC_LISTS + (SBD_LISTS if training == "voc_sbd" else ())
        self.files = tuple(DataFile(path, None) for path in lists)
        self.archives = (VOC_ARCHIVE, SBD_ARCHIVE) if training == "voc_sbd" else (VOC_ARCHIVE,)

    @property
    def remedy(self) -> str:
        """Return the command that brings the files back."""
        option = " --option training=voc" if self.training == "voc" else ""
        return f"kbench data prepare {self.name}{option} --download"

    def _read(self, split: str) -> Split:
        names = sorted(self._list(VOC_LISTS[split == "test"]))
        own = set(names)
        if split == "train" and self.training == "voc_sbd":
            added = {name for path in SBD_LISTS for name in self._list(path)}
            names = sorted((own | added) - set(self._list(VOC_LISTS[1])))
        size = self.input_shape[1]
        images = torch.zeros(len(names), 3, size, size, dtype=torch.uint8)
        masks = torch.full((len(names), size, size), IGNORED, dtype=torch.uint8)
        for place, name in enumerate(names):
            picture = read_picture(self.folder / VOC / "JPEGImages" / f"{name}.jpg")
            mask = self._read_mask(name) if name in own else self._read_boundaries(name)
            if mask.shape != (picture.height, picture.width):
                message = f"picture and mask {name!r} differ in size"
                raise DatasetError(message)
            wrong = mask[(mask >= self.num_classes) & (mask != IGNORED)]
            if len(wrong):
                message = (
                    f"the mask of picture {name!r} has class number {int(wrong[0])}; it must be "
                    f"0 to {self.num_classes - 1}, or {IGNORED} for none"
                )
                raise DatasetError(message)
            put_on_canvas(picture, mask, images[place], masks[place])
        return Split(images, masks)

    def _list(self, path: str) -> list[str]:
        # What is no name is no picture's either, and named as that.
        return (self.folder / path).read_text(errors="replace").split()

    def _read_mask(self, name: str) -> Tensor:
        return read_mask(self.folder / VOC / "SegmentationClass" / f"{name}.png")

    def _read_boundaries(self, name: str) -> Tensor:
        """Return a mask of SBD, (H, W), uint8."""
        path = self.folder / SBD / "cls" / f"{name}.mat"
        if not path.is_file():
            message = (
                f"dataset {self.name!r}: no file {str(path)!r}; "
                f"delete {str(path.parent)!r} and {self.advice}"
            )
            raise DatasetError(message)
        return read_boundaries(path)


def read_boundaries(path: Path) -> Tensor:
    """Return the class of every pixel in a file of SBD, (H, W), uint8.

    Raises:
        DatasetError: If the file is damaged or of another kind.
    """
    from scipy.io import loadmat  # takes a quarter of a second that other datasets save
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, struct_as_record=False, squeeze_me=True)
        classes = np.asarray(content["GTcls"].Segmentation, np.uint8)
    except (MatReadError, *DAMAGE) as error:
        message = f"mask {str(path)!r} cannot be read: {error!r}"
        raise DatasetError(message) from error
    return torch.from_numpy(np.atleast_2d(classes))


def put_on_canvas(picture: Image.Image, mask: Tensor, image: Tensor, target: Tensor) -> None:
    """Write a picture and its mask (H, W) to the top left of `image` (3, S, S) and `target`."""
    size = len(target)
    factor = min(1.0, size / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    if factor < 1:
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        nearest = Image.fromarray(mask.numpy()).resize((width, height), Image.Resampling.NEAREST)
        mask = torch.from_numpy(np.array(nearest))
    image[:, :height, :width] = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    target[:height, :width] = mask
