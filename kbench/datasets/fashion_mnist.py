"""Fashion-MNIST: articles of clothing."""

from kbench.datasets.idx import IdxDataset, idx_archives, idx_files
from kbench.registry import DATASETS

FOLDER = "FashionMNIST/raw"
URLS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",)


@DATASETS.register("fashion_mnist")
class FashionMnist(IdxDataset):
    """Articles of clothing, 28 x 28 grey pixels, 10 classes.

    Xiao, Rasul and Vollgraf 2017. The statistics are those of LC, section 6.1: of 28 x 28
    pixels, which LC uses after a resize to 32 x 32 as well. The sums of the packed files are
    torchvision's, those of the unpacked files were computed from them.

    Args:
        root: Folder with the data in torchvision's layout.
        size: Side of the images in pixels; other than 28 they are resized bilinearly.
    """

    name = "fashion_mnist"
    class_names: tuple[str, ...] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    mean = (0.2860,)
    std = (0.3530,)
    files = idx_files(
        FOLDER,
        {
            "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
            "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
            "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
        },
    )
    archives = idx_archives(
        FOLDER,
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        URLS,
    )
