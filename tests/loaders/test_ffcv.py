import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from kbench.bench.loader_data import GivenImages, GivenPictures, draw_picture
from kbench.datasets.beton_prepare import prepare_betons
from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import DatasetError, UnsupportedError
from kbench.loaders.batch import HeldOut, Source
from kbench.loaders.ffcv import FfcvLoader
from kbench.loaders.memory import MemoryLoader
from kbench.loaders.share import Share
from kbench.loaders.torch import TorchLoader
from kbench.recipe import Augmentation
from kbench.storage import Storage

pytestmark = pytest.mark.ffcv
RAW = Storage(jpeg_share=0.0)
STATISTICS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}
CROP = Augmentation(crop_padding=4, flip=True)
EVERYTHING = Augmentation(
    crop_padding=4, flip=True, random_erasing=0.5, mixup=0.2, cutmix=1.0, repeats=2
)
RESIZED_CROP = Augmentation(random_resized_crop=True, flip=True, size=32)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50, 3, 12, 10), dtype=torch.uint8, generator=generator)
    split = Split(pixels, torch.randint(0, 10, (50,), generator=generator))
    dataset = GivenImages(tmp_path_factory.mktemp("images"), "generated", split)
    prepare_betons(dataset)
    return Source(dataset, "train")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    paths = tuple(folder / f"{index:02}.png" for index in range(24))
    for index, path in enumerate(paths):
        draw_picture(generator).resize((60 + index, 90 - index)).save(path)
    dataset = GivenPictures(folder, "generated", FileSplit(paths, torch.arange(24) % 10))
    prepare_betons(dataset, RAW)
    prepare_betons(dataset, Storage(jpeg_share=1.0))
    return Source(dataset, "train")


def make(source, kind=FfcvLoader, **options):
    given = {"batch_size": 8, "augmentation": CROP, "seed": 1, "shuffle": True, **STATISTICS}
    if kind is FfcvLoader and source.dataset.is_file_backed:
        given["storage"] = RAW
    return kind(source, **(given | options))


def assert_equal(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second) > 0
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours.inputs, theirs.inputs)
        assert torch.equal(ours.targets, theirs.targets)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"augmentation": Augmentation(), "shuffle": False},
        {"augmentation": EVERYTHING},
        {"channels_last": True, "drop_last": True},
        {"batch_size": 64, "seed": 7},
    ],
    ids=["crop", "evaluation", "everything", "channels-last", "one-batch"],
)
def test_batches_are_those_of_the_loader_in_memory(images, options):
    """Equal to the last bit: order, crops, flips, normalisation, erasing and mixing."""
    ours, theirs = make(images, **options), make(images, MemoryLoader, **options)
    assert len(ours) == len(theirs)
    assert_equal(ours.batches(2), theirs.batches(2))


def test_memory_format_is_as_asked_for(images):
    inputs = next(iter(make(images, channels_last=True).batches(0))).inputs
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert next(iter(make(images).batches(0))).inputs.is_contiguous()


@pytest.mark.parametrize("source", ["images", "pictures"])
def test_the_number_of_workers_changes_nothing(request, source):
    augmentation = CROP if source == "images" else RESIZED_CROP
    first, second = (
        make(request.getfixturevalue(source), augmentation=augmentation, num_workers=number)
        for number in (1, 2)
    )
    assert_equal(first.batches(0), second.batches(0))


@pytest.mark.parametrize("source", ["images", "pictures"])
def test_a_resumed_epoch_goes_on_with_the_same_batches(request, source):
    augmentation = CROP if source == "images" else RESIZED_CROP
    loader = make(request.getfixturevalue(source), augmentation=augmentation)
    assert_equal(list(loader.batches(3))[2:], loader.batches(3, start=2))


def test_seed_and_epoch_change_crops_as_well_as_the_order(pictures):
    """Every picture once, in sorted order of its target; the pixels of two epochs differ."""
    loader = make(pictures, augmentation=RESIZED_CROP, shuffle=False)
    other = make(pictures, augmentation=RESIZED_CROP, shuffle=False, seed=2)
    first, second, third = (
        torch.cat([batch.inputs for batch in batches])
        for batches in (loader.batches(0), loader.batches(1), other.batches(0))
    )
    differs = [not torch.equal(a, b) for a, b in zip(first, second, strict=True)]
    assert sum(differs) == 24
    assert not torch.equal(first, third)


def test_a_kept_batch_stays_as_it_is(images):
    """FFCV itself would fill its buffers again."""
    loader = make(images, batch_size=2)
    batches = loader.batches(0)
    kept = [next(batches) for _ in range(10)]
    copies = [batch.inputs.clone() for batch in kept]
    list(batches)
    list(loader.batches(1))
    assert all(torch.equal(a.inputs, b) for a, b in zip(kept, copies, strict=True))


def test_an_early_stop_leaves_no_thread(images):
    loader = make(images, batch_size=2)
    before = threading.active_count()
    batches = loader.batches(0)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before
    assert_equal(loader.batches(0), loader.batches(0))


def test_two_epochs_may_be_read_in_turns(images):
    loader, other = make(images), make(images, shuffle=False)
    expected = list(loader.batches(0))
    found = [batch for batch, _ in zip(loader.batches(0), other.batches(0), strict=True)]
    assert_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_keeps_its_number_of_threads(images, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        list(make(images, num_workers=3 - threads).batches(0))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_compilation_is_measured_apart_and_done_once(images):
    make(images)
    assert 0 <= make(images).compile_s < 1


def test_limit_and_held_out_samples_are_those_of_the_loader_in_memory(images):
    for is_rest in (True, False):
        source = Source(images.dataset, "train", 30, HeldOut(10, 0, is_rest))
        assert_equal(make(source).batches(0), make(source, MemoryLoader).batches(0))


def test_whole_pictures_are_those_of_the_torch_loader(tmp_path):
    """Without a change of size, pixels are equal to the last bit."""
    path = tmp_path / "square.png"
    draw_picture(np.random.default_rng(0)).resize((40, 40)).save(path)
    dataset = GivenPictures(tmp_path, "x", FileSplit((path,) * 2, torch.arange(2)))
    prepare_betons(dataset, RAW)
    augmentation = Augmentation(size=40, crop_ratio=1.0)
    given = {"augmentation": augmentation, "shuffle": False}
    source = Source(dataset, "train")
    assert_equal(
        make(source, **given).batches(0),
        make(source, TorchLoader, num_workers=0, **given).batches(0),
    )


def average_areas(pixels, side):
    """Return (side, side, C): every pixel is the mean of the area that it covers."""
    height, width = pixels.shape[:2]
    fine = pixels.astype(float).repeat(side, 0).repeat(side, 1)
    return fine.reshape(side, height, side, width, -1).mean((1, 3))


def test_resized_centres_are_averages_of_areas(pictures):
    """7/8 of the shorter side, from the middle; rounded to bytes in two passes at most."""
    loader = make(pictures, augmentation=Augmentation(size=16, crop_ratio=0.875), shuffle=False)
    inputs = torch.cat([batch.inputs for batch in loader.batches(0)])
    mean, std = (torch.tensor(STATISTICS[key]).view(3, 1, 1) for key in ("mean", "std"))
    for index, path in enumerate(pictures.load().paths):
        pixels = np.asarray(Image.open(path))
        shorter = min(pixels.shape[:2])
        side = round(shorter * 16 / 18)
        top, left = (round((length - side) / 2) for length in pixels.shape[:2])
        expected = average_areas(pixels[top : top + side, left : left + side], 16)
        found = (inputs[index] * std + mean) * 255
        expected = torch.from_numpy(expected).permute(2, 0, 1).float()
        torch.testing.assert_close(found, expected, atol=1.01, rtol=0)


def test_resized_centres_have_the_colours_of_the_torch_loader(pictures):
    given = {"augmentation": Augmentation(size=32), "shuffle": False}
    ours, theirs = (
        torch.cat([batch.inputs for batch in loader.batches(0)])
        for loader in (make(pictures, **given), make(pictures, TorchLoader, num_workers=0, **given))
    )
    assert ours.shape == theirs.shape == (24, 3, 32, 32)
    # Filters and whole-pixel corners differ: a hundredth of the range of a pixel, on average.
    torch.testing.assert_close(ours.mean((0, 2, 3)), theirs.mean((0, 2, 3)), atol=0.04, rtol=0)


def test_random_resized_crops_have_the_statistics_of_torchvisions(pictures):
    given = {"augmentation": RESIZED_CROP, "batch_size": 24}
    ours, theirs = (
        torch.stack(
            [batch.inputs.mean((0, 2, 3)) for n in range(12) for batch in loader.batches(n)]
        )
        for loader in (make(pictures, **given), make(pictures, TorchLoader, num_workers=0, **given))
    )
    # The mean of 288 crops; its error is measured from the epochs.
    error = (ours.var(0) / 12 + theirs.var(0) / 12).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() < 4 * error).all()


def test_compressed_pictures_look_like_the_others(pictures):
    given = {"augmentation": Augmentation(size=32), "shuffle": False}
    pixels, jpeg = (
        torch.cat([batch.inputs for batch in make(pictures, storage=storage, **given).batches(0)])
        for storage in (RAW, Storage(jpeg_share=1.0))
    )
    assert 0 < (pixels - jpeg).abs().mean() < 0.1


def test_growing_pictures_have_the_size_of_their_epoch(pictures):
    augmentation = Augmentation(
        random_resized_crop=True, size=96, progressive_from=32, progressive_end=2
    )
    loader = make(pictures, augmentation=augmentation)
    sides = [next(iter(loader.batches(epoch))).inputs.shape[-1] for epoch in range(3)]
    assert sides == [32, 64, 96]


def test_a_mirrored_picture_is_the_mirror_image(pictures):
    plain, mirrored = (
        make(pictures, augmentation=Augmentation(size=32, flip=flip), shuffle=False)
        for flip in (False, True)
    )
    found = [
        (torch.equal(a, b), torch.equal(F.horizontal_flip(a), b))
        for first, second in zip(plain.batches(0), mirrored.batches(0), strict=True)
        for a, b in zip(first.inputs, second.inputs, strict=True)
    ]
    assert all(same != flipped for same, flipped in found)
    assert 0 < sum(same for same, _ in found) < 24


def test_a_missing_beton_is_no_reason_to_make_one(tmp_path):
    split = Split(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4))
    dataset = GivenImages(tmp_path, "x", split)
    with pytest.raises(DatasetError, match=r"no beton .* make it with: kbench data prepare bench"):
        make(Source(dataset, "train"))
    assert list(tmp_path.iterdir()) == []


def test_what_it_cannot_do_is_refused(images):
    with pytest.raises(UnsupportedError, match=r"cannot do augmentation\.rotation"):
        make(images, augmentation=Augmentation(rotation=5.0))


@pytest.mark.parametrize("name", ["images", "pictures"])
def test_parts_for_several_processes_are_the_batch(name, request):
    source = request.getfixturevalue(name)
    changes = EVERYTHING if name == "images" else RESIZED_CROP
    whole = make(source, augmentation=changes, drop_last=True)
    shares = [Share(number, 2) for number in range(2)]
    parts = [
        make(replace(source, share=share), augmentation=changes, drop_last=True) for share in shares
    ]
    for batch, *own in zip(whole.batches(1), *(part.batches(1) for part in parts), strict=True):
        for share, part in zip(shares, own, strict=True):
            for found, expected in zip(part, batch, strict=True):
                torch.testing.assert_close(found, share.take(expected), rtol=0, atol=0)
