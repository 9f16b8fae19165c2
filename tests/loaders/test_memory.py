from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.datasets.dataset import FileSplit, Split
from kbench.errors import UnsupportedError
from kbench.loaders.memory import MemoryLoader
from kbench.recipe import Augmentation

CROP_AND_FLIP = Augmentation(crop_padding=2, flip=True)


def make_split(count, kind=torch.uint8):
    """Image n has value n in its first channel, and n is its target."""
    images = torch.arange(count).view(-1, 1, 1, 1).expand(count, 3, 6, 5).clone()
    images[:, 1:] = torch.arange(5)
    return Split(images.to(kind), torch.arange(count))


@pytest.fixture(scope="module")
def make_loader(source_of):
    def make(count=10, kind=torch.uint8, **changes):
        arguments = {
            "batch_size": 4,
            "augmentation": CROP_AND_FLIP,
            "mean": (0.0, 0.0, 0.0),
            "std": (1 / 255,) * 3 if kind is torch.uint8 else (1.0,) * 3,
            "seed": 5,
            "shuffle": True,
            **changes,
        }
        return MemoryLoader(source_of(make_split(count, kind)), **arguments)

    return make


def equal(first, second):
    return all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)
        for a, b in zip(first, second, strict=True)
    )


def test_batches_have_the_declared_shapes_and_types(make_loader):
    batch = next(make_loader().batches(0))
    assert batch.inputs.shape == (4, 3, 6, 5)
    assert (batch.inputs.dtype, batch.targets.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in-order"])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32], ids=["bytes", "fractions"])
def test_every_image_comes_once_with_its_target(make_loader, shuffle, kind):
    loader = make_loader(kind=kind, shuffle=shuffle, augmentation=Augmentation())
    batches = list(loader.batches(0))
    targets = torch.cat([batch.targets for batch in batches])
    assert targets.sort().values.tolist() == list(range(10))
    inputs = torch.cat([batch.inputs for batch in batches])
    # x / 255 / (1 / 255) rounds twice.
    torch.testing.assert_close(inputs[:, 0, 0, 0], targets.float())


def test_without_shuffle_the_order_is_the_splits(make_loader):
    loader = make_loader(shuffle=False, augmentation=Augmentation())
    targets = torch.cat([batch.targets for batch in loader.batches(3)])
    assert targets.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])], ids=["kept", "dropped"]
)
def test_last_batch(make_loader, drop_last, sizes):
    loader = make_loader(drop_last=drop_last)
    assert [len(batch.targets) for batch in loader.batches(0)] == sizes
    assert len(loader) == len(sizes)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(1, 20), st.integers(1, 8), st.integers(0, 3), st.booleans(), st.data())
def test_resumed_epoch_equals_the_uninterrupted_one(
    make_loader, count, batch_size, epoch, shuffle, data
):
    loader = make_loader(count, batch_size=batch_size, shuffle=shuffle)
    start = data.draw(st.integers(0, len(loader)))
    resumed = make_loader(count, batch_size=batch_size, shuffle=shuffle).batches(epoch, start)
    assert equal(list(loader.batches(epoch))[start:], resumed)


def test_epochs_do_not_depend_on_what_came_before(make_loader):
    used = make_loader()
    list(used.batches(0))
    torch.manual_seed(99)
    assert equal(used.batches(1), make_loader().batches(1))


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 6}], ids=str)
def test_another_epoch_or_seed_gives_other_batches(make_loader, other):
    batches = make_loader(seed=other.get("seed", 5)).batches(other.get("epoch", 0))
    assert not equal(make_loader().batches(0), batches)


def test_steps_have_their_own_augmentation(source_of):
    split = Split(
        torch.arange(60, dtype=torch.uint8).view(1, 3, 4, 5).repeat(8, 1, 1, 1), torch.arange(8)
    )
    loader = MemoryLoader(
        source_of(split),
        batch_size=4,
        augmentation=CROP_AND_FLIP,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        seed=0,
        shuffle=False,
    )
    first, second = loader.batches(0)
    assert not torch.equal(first.inputs, second.inputs)


def test_margin_is_black_before_the_normalisation(source_of):
    split = Split(torch.full((64, 1, 4, 4), 255, dtype=torch.uint8), torch.arange(64) % 10)
    loader = MemoryLoader(
        source_of(split),
        batch_size=64,
        augmentation=Augmentation(crop_padding=2),
        mean=(0.5,),
        std=(0.25,),
        seed=0,
        shuffle=False,
    )
    values = next(loader.batches(0)).inputs.unique()
    # White is (1 - 0.5) / 0.25; black is (0 - 0.5) / 0.25.
    assert values.tolist() == [-2.0, 2.0]


def test_split_is_never_changed(source_of):
    split = make_split(10)
    before = split.images.clone()
    loader = MemoryLoader(
        source_of(split),
        batch_size=3,
        augmentation=CROP_AND_FLIP,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        seed=0,
        shuffle=False,
    )
    for batch in loader.batches(0):
        batch.inputs.zero_()
        batch.targets.zero_()
    assert torch.equal(split.images, before)
    assert split.targets.tolist() == list(range(10))


def test_channels_last_changes_the_memory_format_alone(make_loader):
    plain, other = (next(make_loader(channels_last=flag).batches(0)) for flag in (False, True))
    assert plain.inputs.is_contiguous()
    assert other.inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain.inputs, other.inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, r"seed \(=-1\) must be >= 0"),
        ({"batch_size": 0}, r"batch_size \(=0\) must be >= 1"),
        ({"batch_size": 11, "drop_last": True}, r"no step: 10 images, batch_size \(=11\)"),
        ({"mean": (0.5,)}, r"mean \(=\(0.5,\)\) must have 3 values, one per channel"),
        ({"std": (0.5,) * 4}, r"std \(=\(0.5, .*\)\) must have 3 values, one per channel"),
    ],
    ids=["seed", "batch_size", "drop_last", "mean", "std"],
)
def test_wrong_arguments_are_refused(make_loader, changes, message):
    with pytest.raises(ValueError, match=message):
        make_loader(**changes)


@pytest.mark.parametrize(
    ("epoch", "start", "message"),
    [
        (-1, 0, r"epoch \(=-1\) must be >= 0"),
        (0, -1, r"start \(=-1\) must be 0 to 3"),
        (0, 4, r"start \(=4\) must be 0 to 3"),
    ],
    ids=["epoch", "negative", "behind"],
)
def test_wrong_position_is_refused_at_once(make_loader, epoch, start, message):
    with pytest.raises(ValueError, match=message):
        make_loader().batches(epoch, start)


@pytest.mark.gpu
@pytest.mark.parametrize("channels_last", [True, False], ids=["channels-last", "contiguous"])
def test_gpu_gives_the_batches_of_the_cpu(make_loader, channels_last):
    arguments = {"mean": (0.49, 0.48, 0.44), "std": (0.24, 0.25, 0.26)}
    on_cpu = make_loader(50, channels_last=channels_last, **arguments)
    on_gpu = make_loader(50, channels_last=channels_last, device="cuda", **arguments)
    moved = ((batch.inputs.cpu(), batch.targets.cpu()) for batch in on_gpu.batches(2))
    for expected, (inputs, targets) in zip(on_cpu.batches(2), moved, strict=True):
        assert torch.equal(inputs, expected.inputs)
        assert torch.equal(targets, expected.targets)


@pytest.mark.parametrize(
    ("shape", "augmentation", "message"),
    [
        (
            (3, 9),
            Augmentation(flip=True),
            r"augmentation.flip \(=True\) needs images, unlike 'held'",
        ),
        ((3, 9), Augmentation(resize=4), r"augmentation.resize \(=4\) needs images"),
        (
            (3, 8, 8),
            Augmentation(randaugment="rand-m9"),
            r"loader 'memory' cannot do augmentation.randaugment \(='rand-m9'\); these can: torch",
        ),
        (
            (3, 8, 8),
            Augmentation(random_resized_crop=True),
            r"loader 'memory' cannot do augmentation.random_resized_crop",
        ),
    ],
    ids=["sequence-flip", "sequence-resize", "randaugment", "random-resized-crop"],
)
def test_what_it_cannot_do_is_refused(source_of, shape, augmentation, message):
    split = Split(torch.zeros(5, *shape, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(UnsupportedError, match=message):
        load(source_of(split), augmentation=augmentation)


def load(source, **changes):
    channels = source.dataset.input_shape[0]
    arguments = {"mean": (0.0,) * channels, "std": (1.0,) * channels, "seed": 0, "shuffle": False}
    return MemoryLoader(
        source, **({"batch_size": 64, "augmentation": Augmentation()} | arguments | changes)
    )


def test_picture_files_are_refused(source_of):
    files = FileSplit((Path("a.jpg"),), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(
        UnsupportedError, match=r"'memory' cannot read .* 'held'; these can: torch, ffcv"
    ):
        load(source_of(files, (3, 224, 224)))


def test_sequences_are_normalised_by_channel(source_of):
    values = torch.randn(6, 3, 11)
    loader = load(
        source_of(Split(values, torch.arange(6))), mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0)
    )
    expected = (values - torch.tensor([1.0, 2.0, 3.0])[:, None]) / torch.tensor([2.0, 4.0, 8.0])[
        :, None
    ]
    assert torch.equal(next(loader.batches(0)).inputs, expected)


def test_sequences_have_no_channels_last(source_of):
    source = source_of(Split(torch.zeros(2, 3, 11), torch.zeros(2)))
    with pytest.raises(UnsupportedError, match=r"needs images, not samples of the shape \(3, 11\)"):
        load(source, channels_last=True)


def test_values_to_fit_stay_as_they_are(source_of):
    values = torch.rand(1, 3, 5, 7)
    batch = next(load(source_of(Split(torch.rand(1, 2, 5, 7), values))).batches(0))
    assert torch.equal(batch.targets, values)


def test_masks_move_with_their_images(source_of):
    masks = torch.randint(1, 200, (64, 9, 8), dtype=torch.uint8)
    source = source_of(Split(masks[:, None], masks))
    inputs, targets = next(load(source, augmentation=CROP_AND_FLIP).batches(0))
    shown = (inputs[:, 0] * 255).round().to(torch.uint8)
    # Around the images the input is black and the mask says that nothing is known.
    assert torch.equal(torch.where(shown == 0, 255, shown), targets)
    assert (targets == 255).any()


@pytest.mark.parametrize(
    ("targets", "augmentation", "message"),
    [
        (torch.zeros(4, 8, 8), Augmentation(flip=True), r"flip \(=True\) .* unlike the values of"),
        (
            torch.zeros(4, 8, 8, dtype=torch.uint8),
            Augmentation(rotation=5.0),
            r"rotation \(=5.0\) .* unlike the masks of 'held'",
        ),
        (
            torch.zeros(4, 8, 8, dtype=torch.uint8),
            Augmentation(mixup=0.2),
            r"mixup \(=0.2\) .* unlike the masks of 'held'",
        ),
    ],
    ids=["values", "rotated-masks", "mixed-masks"],
)
def test_changes_that_would_leave_targets_behind_are_refused(
    source_of, targets, augmentation, message
):
    split = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), targets)
    with pytest.raises(UnsupportedError, match=message):
        load(source_of(split), augmentation=augmentation)


def test_repeats_give_copies_in_a_row_that_change_apart(make_loader):
    loader = make_loader(24, batch_size=6, augmentation=Augmentation(repeats=3, crop_padding=2))
    batches = list(loader.batches(0))
    targets = torch.cat([batch.targets for batch in batches]).view(-1, 3)
    assert len(targets) == 8
    assert (targets == targets[:, :1]).all()
    assert len(targets[:, 0].unique()) == 8
    first = batches[0].inputs
    assert not torch.equal(first[0], first[1])


def test_mixed_batches_have_shares_of_the_classes(make_loader):
    batch = next(make_loader(augmentation=Augmentation(mixup=1.0)).batches(0))
    assert batch.targets.shape == (4, 10)
    torch.testing.assert_close(batch.targets.sum(1), torch.ones(4))
    # Without a change of place, image n has value n in its first channel.
    values = (batch.targets * torch.arange(10)).sum(1)
    torch.testing.assert_close(batch.inputs[:, 0, 0, 0], values)


def test_erased_and_resized_batches_are_the_same_again(make_loader):
    changes = Augmentation(random_erasing=0.5, rotation=10.0, resize=9, cutmix=1.0)
    first, second = (list(make_loader(augmentation=changes).batches(1)) for _ in range(2))
    assert first[0].inputs.shape == (4, 3, 9, 9)
    assert equal(first, second)
    assert not equal(first, make_loader(augmentation=changes).batches(2))
