"""Every architecture with the plain convolution learns."""

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.catalogue import read_entries

# One of each kind; the other depths and families belong to the slow tests.
QUICK = {
    "allcnn_c",
    "ckcnn2",
    "coordinate_network",
    "flexnet3",
    "flextcn2",
    "impulse_response",
    "layer",
    "layer1d",
    "mnist_toy_pool",
    "mnist_toy_stack",
    "nin",
    "resnet8_cifar",
    "unet",
}


def options_for_conv(name: str) -> dict[str, int]:
    """Return a kernel size where the default is a word that only other operators understand."""
    size = read_entries("architecture")[name].options.get("kernel_size")
    return {"kernel_size": 3} if size is not None and isinstance(size.default, str) else {}


def build(name: str, device: str) -> nn.Module:
    with torch.device(device):
        return build_architecture(name, **options_for_conv(name))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in read_entries("architecture")
    ],
)
def test_the_smallest_input_gives_gradients_to_every_parameter(
    name, smallest_input, expect_step
) -> None:
    shape = smallest_input(build(name, "meta"), 3)
    torch.manual_seed(0)
    expect_step(build(name, "cpu"), shape)
