"""Facts of section 5 of the N-Jet specification about its EfficientNet-B0."""

import time

import pytest
import torch
from torch import nn
from torchvision.models import efficientnet_b0

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError
from kbench.operators.conv import Conv2d
from kbench.operators.njet import NJet2d
from kbench.registry import ARCHITECTURES

NAME = "efficientnet_b0_cifar"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(**arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(NAME, **arguments)


def njet(order: int, **options: object) -> dict[str, object]:
    return {"operator": "njet", "operator_options": {"order": order, **options}}


@pytest.mark.parametrize(
    ("arguments", "total"),
    [({}, 3_598_598), (njet(3), 3_506_295), (njet(2), 3_470_071)],
    ids=["conv", "order3", "order2"],
)
def test_counts_are_the_printed_ones(arguments: dict[str, object], total: int) -> None:
    assert count(build_on_meta(**arguments)) == total


def test_order_two_is_not_as_published() -> None:
    found = [count(build_on_meta(**kind)) for kind in ({}, njet(3), njet(2))]
    # Table 4 prints 3.60, 3.51 and 3.48 million; the specification has the same third count.
    assert [round(total / 1e6, 2) for total in found] == [3.60, 3.51, 3.47]


def test_operator_makes_the_stem_and_sixteen_depthwise_layers() -> None:
    network = build_on_meta(**njet(2))
    shapes = [tuple(m.alpha.shape) for m in network.modules() if isinstance(m, NJet2d)]
    assert shapes[0] == (6, 3, 32)
    assert [shape[:2] for shape in shapes[1:]] == [(6, 1)] * 16
    assert sum(
        shape[2] for shape in shapes[1:]
    ) == 32 + 96 + 144 * 2 + 240 * 2 + 480 * 3 + 672 * 3 + (1152 * 4)


def test_is_torchvisions_network_but_for_stem_and_head() -> None:
    expected = efficientnet_b0()
    expected.features = expected.features[:-1]
    expected.features[0][0].stride = (1, 1)
    expected.classifier = nn.Linear(320, 10)
    network = build_architecture(NAME)
    for mine, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        mine.data.copy_(theirs.data)
    x = torch.randn(2, 3, 32, 32)
    network.double().eval()
    expected.double().eval()
    with torch.no_grad():
        # Two orders of summation in float64, through 17 blocks.
        torch.testing.assert_close(network(x.double()), expected(x.double()), rtol=1e-8, atol=1e-10)


def test_strides_are_those_of_the_printed_blocks() -> None:
    network = build_architecture(NAME, width=4)
    sides = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
    network(torch.randn(2, 3, 32, 32))
    assert sides == [32] + [16] * 2 + [8] * 2 + [4] * 6 + [2] * 5


def test_operators_are_made_in_the_order_of_execution() -> None:
    made, run = [], []

    def conv(*arguments: int, **options: object) -> nn.Module:
        made.append(Conv2d(*arguments, **options))
        made[-1].register_forward_hook(lambda module, *_: run.append(module))
        return made[-1]

    ARCHITECTURES[NAME](conv, 10, 3, width=4)(torch.randn(2, 3, 8, 8))
    assert [id(module) for module in run] == [id(module) for module in made]
    assert len(made) == 17


def test_dropped_branches_leave_the_shortcut_and_scale_the_others() -> None:
    network = build_architecture(NAME, width=4, drop_path=0.5).eval()
    block = network.blocks[10]  # the last identity shortcut of its stage, of 16 blocks
    assert block.has_shortcut
    assert block.drop_rate == pytest.approx(0.5 * 10 / 16)
    x = torch.randn(64, block.project.out_channels, 2, 2)
    with torch.no_grad():
        branch = block(x) - x
        block.training = True
        found = block(x) - x
    is_kept = found.abs().sum((1, 2, 3)) > 0
    assert 0 < is_kept.sum() < 64
    kept = branch[is_kept] / (1 - block.drop_rate)
    torch.testing.assert_close(found[is_kept], kept, rtol=1e-4, atol=1e-5)  # float32 differences


@pytest.mark.parametrize("operator", ["conv", "lc", "njet"])
def test_one_pixel_is_enough(operator: str) -> None:
    network = build_architecture(
        NAME, operator=operator, in_channels=1, num_classes=6, width=4, dropout=0, drop_path=0
    )
    logits = network(torch.randn(4, 1, 1, 1))
    logits.square().sum().backward()
    assert logits.shape == (4, 6)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_operator_that_changes_the_side_is_refused() -> None:
    network = build_on_meta(**njet(2, safe_subsample=4))
    with pytest.raises(UnsupportedError, match="the operator leaves sides"):
        network(torch.empty(1, 3, 32, 32, device="meta"))


@pytest.mark.parametrize("arguments", [{}, njet(3)], ids=["conv", "njet"])
def test_meta_device_builds_fast(arguments: dict[str, object]) -> None:
    times = []
    for _ in range(3):
        start = time.process_time()
        network = build_on_meta(**arguments)
        times.append(time.process_time() - start)
    assert network(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 10)
    # 0.05 s of processor time; the bound is that of the issue.
    assert min(times) < 0.3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width": 6}, r"width \(=6\) must be a multiple of 4"),
        ({"dropout": -0.1}, r"dropout \(=-0.1\) must be a number >= 0 and < 1"),
        ({"drop_path": 1}, r"drop_path \(=1\) must be a number >= 0 and < 1"),
    ],
    ids=["width", "dropout", "drop_path"],
)
def test_refuses_wrong_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture(NAME, **options)
