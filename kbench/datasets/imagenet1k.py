"""ImageNet-1k: ILSVRC 2012."""

from collections.abc import Mapping

from kbench.datasets.imagenet_classes import WNIDS
from kbench.datasets.normalisation import IMAGENET
from kbench.datasets.picture_folder import PictureFolder
from kbench.registry import DATASETS


@DATASETS.register("imagenet1k")
class ImageNet1k(PictureFolder):
    """Photographs of any size, 1,000 classes; the validation pictures are for testing.

    Russakovsky et al. 2015, in the layout `imagenet/{train,val}/<wnid>/*.JPEG`; the development kit
    is not needed. It cannot be downloaded without an account. The statistics are those of GMConv
    and FlexConv, section 6. The smallest class has 732 training pictures, the largest 1,300.

    Args:
        root: Folder with the data.
        per_class: Use at most so many training pictures of each class, the first by name; None
            for all.
    """

    name = "imagenet1k"
    num_classes = 1000
    class_names = class_folders = WNIDS
    split_folders: Mapping[str, str] = {"train": "imagenet/train", "test": "imagenet/val"}
    total_sizes: Mapping[str, int] = {"train": 1_281_167, "test": 50_000}
    min_class_size = 732
    mean, std = IMAGENET

    @property
    def advice(self) -> str:
        """Return where the pictures belong, as the end of a message."""
        folders = " and ".join(
            repr(str(self.folder / below / "<wnid>")) for below in self.split_folders.values()
        )
        return (
            "there is no automatic download: get ILSVRC 2012 from https://image-net.org/download "
            f"and put its pictures into {folders}"
        )
