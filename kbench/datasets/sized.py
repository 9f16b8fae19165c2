"""Datasets of square images in memory, of a side that is an option."""

from pathlib import Path

from kbench.datasets.dataset import Dataset, Split
from kbench.datasets.resize import check_size, resize_images


class SizedDataset(Dataset):
    """Images that are resized when they are loaded; a limit is applied before.

    Args:
        root: Folder with the data.
        size: Side of the images in pixels; other than their own they are resized bilinearly.
        channels: C.

    Raises:
        ValueError: If `size` is not positive.
    """

    def __init__(self, root: Path, *, size: int, channels: int) -> None:
        super().__init__(root)
        check_size(size)
        self.input_shape = (channels, size, size)

    def _convert(self, found: Split) -> Split:
        return Split(resize_images(found.images, self.input_shape[-1]), found.targets)
