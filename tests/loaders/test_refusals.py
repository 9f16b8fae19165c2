import pytest
import torch

from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import UnsupportedError
from kbench.loaders.refusals import check_changes, check_layout, in_memory
from kbench.recipe import Augmentation

IMAGES, SEQUENCES = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, 3, 9)
CLASSES = torch.zeros(2, dtype=torch.int64)


def check(source, augmentation, kind="torch"):
    check_changes(kind, augmentation, source, source.load())


@pytest.mark.parametrize(
    ("images", "targets", "augmentation"),
    [
        (IMAGES, CLASSES, Augmentation(randaugment="rand-m9", mixup=0.2, resize=5, rotation=3.0)),
        (SEQUENCES, CLASSES, Augmentation(mixup=0.2, repeats=2)),
        (IMAGES, torch.zeros(2, 4, 4, dtype=torch.uint8), Augmentation(flip=True, crop_padding=2)),
        (IMAGES, torch.zeros(2, 3, 4, 4), Augmentation(repeats=2)),
    ],
    ids=["classification", "sequences", "segmentation", "fitting"],
)
def test_what_fits_the_samples_passes(source_of, images, targets, augmentation):
    check(source_of(Split(images, targets)), augmentation)


@pytest.mark.parametrize(
    ("images", "targets", "augmentation", "message"),
    [
        (
            SEQUENCES,
            CLASSES,
            {"cutmix": 1.0},
            r"cutmix \(=1.0\) needs images, unlike 'held', .*3, 9",
        ),
        (
            SEQUENCES,
            CLASSES,
            {"randaugment": "rand-m9"},
            r"randaugment \(='rand-m9'\) needs images",
        ),
        (IMAGES.float(), CLASSES, {"size": 3}, r"size \(=3\) needs 8-bit pictures, grey or RGB"),
        (IMAGES[:, :2], CLASSES, {"color_jitter": 0.4}, r"color_jitter \(=0.4\) needs 8-bit"),
        (IMAGES, torch.zeros(2, 4, 4, dtype=torch.uint8), {"resize": 3}, r"unlike the masks of"),
        (IMAGES, torch.zeros(2, 3, 4, 4), {"crop_padding": 3}, r"unlike the values of 'held'"),
    ],
    ids=["cutmix", "pil", "fractions", "channels", "masks", "values"],
)
def test_what_does_not_fit_the_samples_is_named(source_of, images, targets, augmentation, message):
    with pytest.raises(UnsupportedError, match=f"augmentation.*{message}"):
        check(source_of(Split(images, targets)), Augmentation(**augmentation))


def test_what_the_loader_cannot_do_comes_first(source_of):
    source = source_of(Split(SEQUENCES, CLASSES))
    with pytest.raises(UnsupportedError, match=r"loader 'memory' cannot do augmentation.size \(=3"):
        check(source, Augmentation(size=3), "memory")


def test_files_are_not_in_memory(source_of, tmp_path):
    files = source_of(FileSplit((tmp_path / "a.jpg",), CLASSES[:1]), (3, 8, 8))
    with pytest.raises(UnsupportedError, match=r"cannot read the picture files of 'held'"):
        in_memory("memory", files)
    check(files, Augmentation(randaugment="rand-m9"))


def test_memory_formats_are_for_images():
    check_layout((3, 4, 4), channels_last=True)
    check_layout((3, 9), channels_last=False)
    with pytest.raises(UnsupportedError, match=r"not samples of the shape \(3, 9\)"):
        check_layout((3, 9), channels_last=True)
