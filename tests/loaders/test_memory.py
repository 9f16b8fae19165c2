import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.datasets.dataset import Split
from kbench.loaders.memory import MemoryLoader
from kbench.recipe import Augmentation

CROP_AND_FLIP = Augmentation(crop_padding=2, flip=True)


def make_split(count, kind=torch.uint8):
    """Image n has value n in its first channel, and n is its target."""
    images = torch.arange(count).view(-1, 1, 1, 1).expand(count, 3, 6, 5).clone()
    images[:, 1:] = torch.arange(5)
    return Split(images.to(kind), torch.arange(count))


def make_loader(count=10, kind=torch.uint8, **changes):
    arguments = {
        "batch_size": 4,
        "augmentation": CROP_AND_FLIP,
        "mean": (0.0, 0.0, 0.0),
        "std": (1 / 255,) * 3 if kind is torch.uint8 else (1.0,) * 3,
        "seed": 5,
        "shuffle": True,
        **changes,
    }
    return MemoryLoader(make_split(count, kind), **arguments)


def equal(first, second):
    return all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)
        for a, b in zip(first, second, strict=True)
    )


def test_batches_have_the_declared_shapes_and_types():
    batch = next(make_loader().batches(0))
    assert batch.inputs.shape == (4, 3, 6, 5)
    assert (batch.inputs.dtype, batch.targets.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in-order"])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32], ids=["bytes", "fractions"])
def test_every_image_comes_once_with_its_target(shuffle, kind):
    loader = make_loader(kind=kind, shuffle=shuffle, augmentation=Augmentation())
    batches = list(loader.batches(0))
    targets = torch.cat([batch.targets for batch in batches])
    assert targets.sort().values.tolist() == list(range(10))
    inputs = torch.cat([batch.inputs for batch in batches])
    # x / 255 / (1 / 255) rounds twice.
    torch.testing.assert_close(inputs[:, 0, 0, 0], targets.float())


def test_without_shuffle_the_order_is_the_splits():
    loader = make_loader(shuffle=False, augmentation=Augmentation())
    targets = torch.cat([batch.targets for batch in loader.batches(3)])
    assert targets.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])], ids=["kept", "dropped"]
)
def test_last_batch(drop_last, sizes):
    loader = make_loader(drop_last=drop_last)
    assert [len(batch.targets) for batch in loader.batches(0)] == sizes
    assert len(loader) == len(sizes)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(1, 20), st.integers(1, 8), st.integers(0, 3), st.booleans(), st.data())
def test_resumed_epoch_equals_the_uninterrupted_one(count, batch_size, epoch, shuffle, data):
    loader = make_loader(count, batch_size=batch_size, shuffle=shuffle)
    start = data.draw(st.integers(0, len(loader)))
    resumed = make_loader(count, batch_size=batch_size, shuffle=shuffle).batches(epoch, start)
    assert equal(list(loader.batches(epoch))[start:], resumed)


def test_epochs_do_not_depend_on_what_came_before():
    used = make_loader()
    list(used.batches(0))
    torch.manual_seed(99)
    assert equal(used.batches(1), make_loader().batches(1))


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 6}], ids=str)
def test_another_epoch_or_seed_gives_other_batches(other):
    batches = make_loader(seed=other.get("seed", 5)).batches(other.get("epoch", 0))
    assert not equal(make_loader().batches(0), batches)


def test_steps_have_their_own_augmentation():
    split = Split(
        torch.arange(60, dtype=torch.uint8).view(1, 3, 4, 5).repeat(8, 1, 1, 1), torch.zeros(8)
    )
    loader = MemoryLoader(
        split,
        batch_size=4,
        augmentation=CROP_AND_FLIP,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        seed=0,
        shuffle=False,
    )
    first, second = loader.batches(0)
    assert not torch.equal(first.inputs, second.inputs)


def test_margin_is_black_before_the_normalisation():
    split = Split(torch.full((64, 1, 4, 4), 255, dtype=torch.uint8), torch.zeros(64))
    loader = MemoryLoader(
        split,
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


def test_split_is_never_changed():
    split = make_split(10)
    before = split.images.clone()
    loader = MemoryLoader(
        split,
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


def test_channels_last_changes_the_memory_format_alone():
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
def test_wrong_arguments_are_refused(changes, message):
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
def test_wrong_position_is_refused_at_once(epoch, start, message):
    with pytest.raises(ValueError, match=message):
        make_loader().batches(epoch, start)


@pytest.mark.gpu
@pytest.mark.parametrize("channels_last", [True, False], ids=["channels-last", "contiguous"])
def test_gpu_gives_the_batches_of_the_cpu(channels_last):
    arguments = {"mean": (0.49, 0.48, 0.44), "std": (0.24, 0.25, 0.26)}
    on_cpu = make_loader(50, channels_last=channels_last, **arguments)
    on_gpu = make_loader(50, channels_last=channels_last, device="cuda", **arguments)
    moved = ((batch.inputs.cpu(), batch.targets.cpu()) for batch in on_gpu.batches(2))
    for expected, (inputs, targets) in zip(on_cpu.batches(2), moved, strict=True):
        assert torch.equal(inputs, expected.inputs)
        assert torch.equal(targets, expected.targets)
