"""MNIST: handwritten digits."""

from kbench.datasets.idx import IdxDataset, idx_archives, idx_files
from kbench.registry import DATASETS

FOLDER = "MNIST/raw"
URLS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "http://yann.lecun.com/exdb/mnist")


@DATASETS.register("mnist")
class Mnist(IdxDataset):
    """Handwritten digits, 28 x 28 grey pixels, 10 classes.

    LeCun, Cortes and Burges 1998. The statistics are those of FlexConv, section 6; the sums of the
    packed files are torchvision's, those of the unpacked files were computed from them.

    Args:
        root: Folder with the data in torchvision's layout.
        size: Side of the images in pixels; other than 28 they are resized bilinearly.
    """

    name = "mnist"
    class_names = tuple("0123456789")
    mean = (0.1307,)
    std = (0.3081,)
    files = idx_files(
        FOLDER,
        {
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
    )
    archives = idx_archives(
        FOLDER,
        {
            "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        URLS,
    )
