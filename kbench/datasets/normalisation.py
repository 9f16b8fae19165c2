"""Channel statistics by name, for `Recipe.normalisation`."""

from typing import NamedTuple

from kbench.datasets.dataset import Dataset
from kbench.errors import UnknownNameError, UnsupportedError, unknown


class Normalisation(NamedTuple):
    """Channel statistics of pixels in 0 to 1.

    Attributes:
        mean: Subtracted from each channel.
        std: What each channel is divided by, afterwards.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR10_IMAGE_STD = Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def find_normalisation(name: str, dataset: Dataset) -> Normalisation:
    """Return the statistics that a recipe names.

    Args:
        name: `dataset` for the dataset's own; `imagenet` for those of ImageNet (FlexConv and GMConv
            use them on CIFAR-10 as well); `half` for 0.5 and 0.5, which maps 0 to 1 onto -1 to 1;
            `cifar10_image_std` for CIFAR-10's means with the standard deviation within an image,
            averaged over its training images (N-Jet, section 6, as in its code).
        dataset: Where the number of channels and its own statistics come from.

    Raises:
        UnsupportedError: If the statistics have another number of channels than the images.
        UnknownNameError: If there is no such name.
    """
    channels = dataset.input_shape[0]
    choices = {
        "dataset": Normalisation(dataset.mean, dataset.std),
        "imagenet": IMAGENET,
        "half": Normalisation((0.5,) * channels, (0.5,) * channels),
        "cifar10_image_std": CIFAR10_IMAGE_STD,
    }
    if name not in choices:
        raise UnknownNameError(unknown("normalisation", name, choices))
    found = choices[name]
    if len(found.mean) != channels:
        message = (
            f"normalisation {name!r} is for {len(found.mean)} channels, "
            f"images of dataset {dataset.name!r} have {channels}"
        )
        raise UnsupportedError(message)
    return found
