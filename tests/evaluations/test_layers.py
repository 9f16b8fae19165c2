"""Convolutions of a network, found by what they offer."""

import pytest
import torch
from torch import Tensor, nn

from kbench.evaluations.layers import Layer, evaluating, find_layers
from kbench.operators import build_operator


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("layer2.1.conv1", ("layer2", 1)),
        ("blocks.10.conv2", ("blocks", 10)),
        ("features.denseblock1.denselayer12.conv2", ("features.denseblock1.denselayer", 12)),
        ("layers.3", ("layers", 3)),
        ("block1.spatial", ("block", 1)),
        ("conv1", None),
        ("features.conv0", None),
        ("0", None),
        ("stem", None),
    ],
    ids=str,
)
def test_block_is_the_last_number_before_the_layer(name, block) -> None:
    assert Layer(name, nn.Identity(), (), ()).block == block


class Net(nn.Module):
    """Layers in another order than they are registered in, one unused, one used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(4, 4, 1)
        self.unused = nn.Conv2d(4, 4, 3)
        self.first = build_operator("niff", 3, 4, 3, padding=1, bias=False)
        self.shared = build_operator("gmconv", 4, 4, 3, padding=1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.shared(self.shared(self.first(x))))


def test_layers_are_those_that_an_image_meets_with_their_sides(evaluate) -> None:
    layers = find_layers(evaluate(Net(), torch.zeros(1, 3, 8, 6)))
    assert [(layer.name, layer.in_sides, layer.out_sides) for layer in layers] == [
        ("first", (8, 6), (8, 6)),
        ("shared", (8, 6), (4, 3)),
        ("last", (2, 2), (2, 2)),
    ]


def test_kernel_is_that_of_the_sides_that_were_seen(evaluate) -> None:
    network = evaluate(net := Net(), torch.zeros(1, 3, 8, 6))
    first, shared, last = find_layers(network)
    torch.testing.assert_close(first.kernel(), net.first.effective_kernel((8, 6)).double())
    assert first.kernels().shape == (3, 8, 6)  # a kernel a channel, before they are mixed
    assert shared.kernels().shape == (16, 3, 3)
    assert torch.equal(last.kernel(), net.last.weight.double())


def test_an_operator_without_a_kernel_has_none(evaluate) -> None:
    layers = [
        build_operator("lc", 3, 3, 3, padding=1, intermediate="relu"),
        build_operator("gmconv", 3, 3, 3, variant="dynamic"),
    ]
    found = find_layers(evaluate(nn.Sequential(*layers), torch.zeros(1, 3, 8, 8)))
    assert [layer.kernels() for layer in found] == [None, None]


def test_modes_are_put_back_one_by_one() -> None:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3).eval()).train()
    model[1].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, True, False]
