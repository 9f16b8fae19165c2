"""Torch's loader: the batches of the loader in memory, and of picture files."""

import multiprocessing
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import DatasetError, UnsupportedError
from kbench.loaders.memory import MemoryLoader
from kbench.loaders.torch import TorchLoader, default_workers
from kbench.recipe import Augmentation

EXACT = {
    "nothing": Augmentation(),
    "crop-and-flip": Augmentation(crop_padding=2, flip=True),
    "repeats": Augmentation(crop_padding=2, repeats=3),
    "mixup": Augmentation(flip=True, mixup=0.8),
    "cutmix": Augmentation(cutmix=1.0, mixup=0.8),
}
EVERYTHING = Augmentation(
    size=12,
    random_resized_crop=True,
    interpolation="bicubic",
    flip=True,
    rotation=10.0,
    randaugment="rand-m9-mstd0.5-inc1",
    resize=10,
    random_erasing=0.5,
    mixup=0.8,
    cutmix=1.0,
)


def arguments(**changes):
    plain = {
        "batch_size": 16,
        "augmentation": Augmentation(),
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.25, 0.3),
        "seed": 3,
        "shuffle": True,
    }
    return plain | changes


def load(source, num_workers=0, **changes):
    return TorchLoader(source, num_workers=num_workers, **arguments(**changes))


def equal(first, second):
    return all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)
        for a, b in zip(first, second, strict=True)
    )


@pytest.fixture(scope="module")
def source(source_of, pictures):
    return source_of(pictures)


@pytest.fixture
def folder(tmp_path):
    """Colour, grey, transparent and turned pictures of many sizes."""
    rng = np.random.default_rng(0)
    paths = []
    for index, (mode, suffix) in enumerate(
        [("RGB", "jpg"), ("L", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "jpg")]
    ):
        size = (30 + 7 * index, 25 + 11 * index)
        noise = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        path = tmp_path / f"{index}.{suffix}"
        Image.fromarray(noise).convert(mode).save(path)
        paths.append(path)
    return FileSplit(tuple(paths), torch.arange(5))


@pytest.mark.parametrize("augmentation", EXACT.values(), ids=EXACT.keys())
@pytest.mark.parametrize("drop_last", [True, False], ids=["dropped", "kept"])
def test_pixels_targets_and_order_are_those_of_the_loader_in_memory(
    source, augmentation, drop_last
):
    given = arguments(augmentation=augmentation, drop_last=drop_last)
    expected = MemoryLoader(source, **given)
    loader = TorchLoader(source, num_workers=0, **given)
    assert len(loader) == len(expected)
    assert equal(loader.batches(2), expected.batches(2))


@pytest.mark.parametrize(
    "images",
    [torch.rand(20, 2, 6, 5), torch.randn(20, 3, 11)],
    ids=["fractions", "sequences"],
)
def test_samples_that_are_no_pictures_are_those_of_the_loader_in_memory(source_of, images):
    channels = images.shape[1]
    source = source_of(Split(images, torch.arange(20) % 10))
    given = arguments(mean=(0.1,) * channels, std=(0.5,) * channels)
    assert equal(load(source, **given).batches(0), MemoryLoader(source, **given).batches(0))


def test_masks_are_those_of_the_loader_in_memory(source_of):
    masks = torch.randint(0, 5, (20, 9, 8), dtype=torch.uint8)
    images = torch.randint(0, 256, (20, 3, 9, 8), dtype=torch.uint8)
    source = source_of(Split(images, masks))
    given = arguments(augmentation=Augmentation(crop_padding=3, flip=True))
    assert equal(load(source, **given).batches(1), MemoryLoader(source, **given).batches(1))


def test_rotation_is_that_of_the_loader_in_memory_but_for_ties(source):
    given = arguments(augmentation=Augmentation(rotation=15.0))
    pairs = zip(
        load(source, **given).batches(0), MemoryLoader(source, **given).batches(0), strict=True
    )
    different = torch.cat([(a.inputs != b.inputs).flatten() for a, b in pairs])
    # torchvision rounds places in float32: one in some ten thousand lies between two pixels.
    assert different.double().mean() < 1e-3


def test_resize_is_that_of_the_loader_in_memory_up_to_one_level(source):
    given = arguments(augmentation=Augmentation(resize=9), std=(1 / 255,) * 3)
    pairs = zip(
        load(source, **given).batches(0), MemoryLoader(source, **given).batches(0), strict=True
    )
    for batch, expected in pairs:
        # PIL rounds to 8 bits after each axis.
        torch.testing.assert_close(batch.inputs, expected.inputs, rtol=0, atol=1.001)


@pytest.mark.parametrize(
    "augmentation", [EXACT["crop-and-flip"], EVERYTHING], ids=["exact", "everything"]
)
def test_workers_change_no_batch(source, augmentation):
    alone = list(load(source, augmentation=augmentation).batches(1))
    assert equal(alone, load(source, 2, augmentation=augmentation).batches(1))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resumed_epoch_equals_the_uninterrupted_one(source, num_workers):
    whole = list(load(source, augmentation=EVERYTHING).batches(1))
    resumed = load(source, num_workers, augmentation=EVERYTHING).batches(1, 2)
    assert equal(whole[2:], resumed)


def test_workers_stay_for_the_next_epoch(source):
    loader = load(source, 1)
    list(loader.batches(0))
    (before,) = multiprocessing.active_children()
    batches = list(loader.batches(1))
    (after,) = multiprocessing.active_children()
    assert before.pid == after.pid
    assert equal(batches, load(source).batches(1))


def test_epochs_of_one_loader_may_overlap(source):
    loader = load(source, 1)
    first, second = loader.batches(0), loader.batches(1)
    pairs = list(zip(first, second, strict=True))
    assert equal([pair[0] for pair in pairs], load(source).batches(0))
    assert equal([pair[1] for pair in pairs], load(source).batches(1))


def test_an_epoch_that_ends_early_leaves_nothing_behind(source):
    loader = load(source, 2)
    for _ in loader.batches(0):
        break
    assert equal(loader.batches(1), load(source).batches(1))
    assert len(multiprocessing.active_children()) == 2
    del loader
    assert multiprocessing.active_children() == []


KEPT = []


def stop_and_go_on(source, answer):
    """Tell how many batches come after workers were asked to stop, then end in an epoch."""
    loader = load(source, 2, batch_size=4)
    batches = loader.batches(0)
    next(batches)
    for worker in multiprocessing.active_children():
        # A shell sends the signals: they are not the parent's own.
        command = f"kill -TERM {worker.pid}; kill -INT {worker.pid}"
        subprocess.run(["/bin/sh", "-c", command], check=True)
    answer.put(len(list(batches)))
    answer.put([worker.pid for worker in multiprocessing.active_children()])
    KEPT.append(loader.batches(1))
    next(KEPT[0])


def test_workers_outlive_a_request_to_stop_and_end_with_their_parent(source):
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()
    process = context.Process(target=stop_and_go_on, args=(source, answer))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert answer.get() == 9
    workers = answer.get()
    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_global_random_numbers_are_left_alone(source):
    torch.manual_seed(5)
    random.seed(5)
    before = torch.get_rng_state(), random.getstate()
    for num_workers in (0, 1):
        list(load(source, num_workers, augmentation=EVERYTHING).batches(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_pictures_of_any_size_are_cut_as_torchvision_does(source_of, folder):
    loader = load(source_of(folder, (3, 14, 14)), shuffle=False)
    (batch,) = loader.batches(0)
    transform = v2.Compose(
        [
            v2.Resize(16, antialias=True),  # 14 / 0.875
            v2.CenterCrop(14),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.4, 0.5, 0.6), (0.2, 0.25, 0.3)),
        ]
    )
    expected = [transform(Image.open(path).convert("RGB")) for path in folder.paths]
    # torchvision scales by a product, which rounds otherwise than the quotient.
    torch.testing.assert_close(batch.inputs, torch.stack(expected))
    assert batch.targets.tolist() == [0, 1, 2, 3, 4]


def test_size_and_crop_ratio_are_the_recipes(source_of, folder):
    augmentation = Augmentation(size=19, crop_ratio=0.95, interpolation="bicubic")
    source = source_of(folder, (3, 14, 14))
    (batch,) = load(source, augmentation=augmentation, shuffle=False, std=(1.0,) * 3).batches(0)
    bicubic = v2.InterpolationMode.BICUBIC
    transform = v2.Compose([v2.Resize(20, bicubic), v2.CenterCrop(19), v2.PILToTensor()])
    expected = transform(Image.open(folder.paths[2]).convert("RGB")) / 255
    mean = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)
    torch.testing.assert_close(batch.inputs[2], expected - mean)


def test_random_crops_grow_with_the_epochs(source):
    augmentation = Augmentation(
        size=96,
        random_resized_crop=True,
        progressive_from=32,
        progressive_start=1,
        progressive_end=3,
    )
    loader = load(source, augmentation=augmentation)
    sides = [next(loader.batches(epoch)).inputs.shape[2:] for epoch in range(5)]
    assert sides == [(32, 32), (32, 32), (64, 64), (96, 96), (96, 96)]


def test_orientation_in_the_metadata_is_ignored(source_of, tmp_path):
    picture = Image.new("RGB", (20, 10), "red")
    exif = picture.getexif()
    exif[274] = 6  # to be turned by 90 degrees
    picture.paste("blue", (0, 0, 10, 10))
    picture.save(tmp_path / "turned.png", exif=exif)
    files = FileSplit((tmp_path / "turned.png",), torch.zeros(1, dtype=torch.int64))
    (batch,) = load(source_of(files, (3, 8, 8))).batches(0)
    assert batch.inputs[0, 2, :, 0].min() > batch.inputs[0, 2, :, -1].max()


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-400]),
            r"0.jpg' cannot be read: .*trunc",
        ),
        (lambda path: path.write_bytes(b"no picture"), r"0.jpg' cannot be read: cannot identify"),
        (lambda path: path.unlink(), r"0.jpg' cannot be read: .*No such file"),
    ],
    ids=["truncated", "no-picture", "missing"],
)
def test_a_damaged_picture_is_named(source_of, folder, damage, message, num_workers):
    damage(folder.paths[0])
    loader = load(source_of(folder, (3, 14, 14)), num_workers)
    with pytest.raises(DatasetError, match=message):
        list(loader.batches(0))


def test_channels_last_changes_the_memory_format_alone(source):
    plain, other = (next(load(source, channels_last=flag).batches(0)) for flag in (False, True))
    assert other.inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain.inputs, other.inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, r"seed \(=-1\) must be >= 0"),
        ({"batch_size": 0}, r"batch_size \(=0\) must be >= 1"),
        ({"batch_size": 41, "drop_last": True}, r"no step: 40 images, batch_size \(=41\)"),
        ({"mean": (0.5,)}, r"mean \(=\(0.5,\)\) must have 3 values, one per channel"),
    ],
    ids=["seed", "batch_size", "drop_last", "mean"],
)
def test_wrong_arguments_are_refused(source, changes, message):
    with pytest.raises(ValueError, match=message):
        load(source, **changes)


def test_a_step_behind_the_end_is_refused_at_once(source):
    with pytest.raises(ValueError, match=r"start \(=4\) must be 0 to 3"):
        load(source).batches(0, 4)


def test_what_needs_8_bits_refuses_fractions(source_of):
    source = source_of(Split(torch.rand(4, 3, 8, 8), torch.zeros(4)))
    with pytest.raises(UnsupportedError, match=r"color_jitter \(=0.4\) needs 8-bit pictures"):
        load(source, augmentation=Augmentation(color_jitter=0.4))


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("0", 0), ("", None)], ids=repr)
def test_the_machine_says_how_many_workers(monkeypatch, text, number):
    monkeypatch.setenv("KBENCH_WORKERS", text)
    assert default_workers() == (torch.get_num_threads() if number is None else number)


def test_workers_are_a_number(monkeypatch):
    monkeypatch.setenv("KBENCH_WORKERS", "many")
    with pytest.raises(DatasetError, match=r"KBENCH_WORKERS \(='many'\) must be a whole number"):
        default_workers()
