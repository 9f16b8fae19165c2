"""The complete sets, where `KBENCH_DATA` has them."""

import pytest
import torch


def statistics(images):
    """Channel mean and standard deviation; sums of an image's bytes are exact in float32."""
    sums, squares = [], []
    for chunk in images.flatten(2).split(1000):
        values = chunk.to(torch.float32)
        sums.append(values.sum(2).double().sum(0))
        squares.append(values.square_().sum(2).double().sum(0))
    count = len(images) * images[0, 0].numel()
    mean = torch.stack(sums).sum(0) / count
    variance = torch.stack(squares).sum(0) / count - mean.square()
    return (mean / 255).tolist(), (variance.sqrt() / 255).tolist()


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion_mnist", "svhn", "stl10"])
def test_counts_shapes_and_classes(real_dataset, name):
    dataset = real_dataset(name)
    for split, size in dataset.split_sizes.items():
        loaded = dataset.load(split)
        assert loaded.images.shape == (size, *dataset.input_shape)
        assert loaded.images.dtype == torch.uint8
        assert loaded.targets.unique().tolist() == list(range(dataset.num_classes))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist"])
def test_classes_are_balanced(real_dataset, name):
    dataset = real_dataset(name)
    for split, size in dataset.split_sizes.items():
        counts = dataset.load(split).targets.bincount()
        assert (counts == size // dataset.num_classes).all()


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion_mnist", "svhn", "stl10"])
def test_statistics_of_the_training_split(real_dataset, name):
    dataset = real_dataset(name)
    mean, std = statistics(dataset.load("train").images)
    # The papers give four digits.
    assert mean == pytest.approx(dataset.mean, abs=1e-4)
    assert std == pytest.approx(dataset.std, abs=1e-4)


def test_images_and_targets_are_those_of_torchvision(real_dataset):
    from torchvision.datasets import CIFAR10

    dataset = real_dataset("cifar10")
    reference = CIFAR10(dataset.folder, train=False)
    loaded = dataset.load("test")
    assert torch.equal(loaded.images, torch.from_numpy(reference.data).permute(0, 3, 1, 2))
    assert loaded.targets.tolist() == reference.targets
