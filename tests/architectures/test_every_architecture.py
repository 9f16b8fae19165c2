"""Every architecture with the plain convolution, and every network of the suites, learns.

The smallest input that a network takes is found on the meta device, where shapes cost nothing.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.catalogue import read_entries
from kbench.datasets import build_dataset
from kbench.errors import UnsupportedError
from kbench.network import build_network
from kbench.plan import network_of
from kbench.suite import load_suite

LARGEST_SIDE = 70
# With two, gradients through a hundred normalisations over single pixels overflow.
IMAGES = 8
FOLDER = Path(__file__).parents[2] / "suites"
SUITES = sorted(
    path for path in FOLDER.rglob("*.yaml") if not {"recipes", "published"} & set(path.parts)
)
# One of each kind; the other depths and families belong to the slow tests.
QUICK = {
    "allcnn_c",
    "ckcnn2",
    "coordinate_network",
    "flexnet3",
    "flextcn2",
    "impulse_response",
    "mnist_toy_pool",
    "mnist_toy_stack",
    "nin",
    "resnet8_cifar",
    "unet",
}


def smallest_input(build: Callable[[], nn.Module], channels: int) -> torch.Size:
    """Return the shape of images, or series, of the smallest side that a network takes."""
    with torch.device("meta"):
        network = build()
    for axes in (2, 1):
        for side in range(1, LARGEST_SIDE):
            try:
                x = torch.empty(IMAGES, channels, *[side] * axes, device="meta")
                network(x)
            except (RuntimeError, ValueError) as error:
                last = error
            else:
                return x.shape
    message = f"no side below {LARGEST_SIDE} is taken"
    raise AssertionError(message) from last


def expect_finite_step(network: nn.Module, shape: torch.Size) -> None:
    """Run a network forwards and backwards; every learnable parameter has to take part."""
    y = network(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert len(y) == IMAGES
    assert y.isfinite().all()
    y.square().mean().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def options_for_conv(name: str) -> dict[str, int]:
    """Return a kernel size where the default is a word that only other operators understand."""
    size = read_entries("architecture")[name].options.get("kernel_size")
    return {"kernel_size": 3} if size is not None and isinstance(size.default, str) else {}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in read_entries("architecture")
    ],
)
def test_the_smallest_input_gives_gradients_to_every_parameter(name) -> None:
    def build() -> nn.Module:
        return build_architecture(name, **options_for_conv(name))

    shape = smallest_input(build, 3)
    torch.manual_seed(0)
    expect_finite_step(build(), shape)


def networks_of(path: Path) -> list:
    """Return a cell for each network of a suite that can exist; sizes of images do not matter."""
    suite = load_suite(path)
    found = {}
    for cell in (cell for scale in suite.scales for cell in suite.cells(scale)):
        architecture, operator, _ = network_of(cell)
        with torch.device("meta"):
            try:
                network = build_network(cell)
            except UnsupportedError:
                continue
        sizes = tuple(parameter.shape for parameter in network.parameters())
        found.setdefault((architecture, operator, sizes), cell)
    return list(found.values())


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=() if path.parent == FOLDER else pytest.mark.slow)
        for path in SUITES
    ],
    ids=lambda path: str(path.relative_to(FOLDER).with_suffix("")),
)
def test_every_network_of_a_suite_takes_a_step_at_its_smallest_input(path, subtests) -> None:
    cells = networks_of(path)
    assert cells
    for cell in cells:
        with subtests.test(cell=cell.id):
            torch.manual_seed(0)
            network = build_network(cell)
            dataset = build_dataset(cell.dataset.name, None, **cell.dataset.options)
            channels = dataset.input_shape[0]
            shape = smallest_input(lambda cell=cell: build_network(cell), channels)
            expect_finite_step(network, shape)
